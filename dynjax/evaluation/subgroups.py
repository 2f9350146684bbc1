"""How well a run does among women, the old, the scans of a site: every metric with its interval, group by group."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynjax.evaluation.intervals import estimate_all

Group = dict[str, Any]  # column, group, n, n_positive, metrics (None if it is too small), note

FEWEST = 5  # subjects of either label, below which a group is named and not estimated
TERTILES = ("age",)  # columns whose numbers are cut into three groups of equally many subjects
UNKNOWN = "not known"


def estimate_subgroups(
    labels: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    seed: int,
) -> list[Group]:
    """An entry a group of every column.

    Args: labels, probabilities and thresholds [N], an entry a subject; columns: what the scan table says of each, ''
      where it says nothing. A column of one group alone is left out.
    """
    estimates = []
    for column, values in columns.items():
        groups = _groups(column, values)
        for group, own in groups.items() if len(groups) > 1 else ():
            found: Group = {"column": column, "group": group, "n": int(own.sum()), "n_positive": int(labels[own].sum())}
            fewest = min(found["n_positive"], found["n"] - found["n_positive"])
            metrics = estimate_all(labels[own], probabilities[own], seed, thresholds[own]) if fewest >= FEWEST else None
            note = "" if metrics else f"too small: needs {FEWEST} subjects of either label"
            estimates.append(found | {"metrics": metrics, "note": note})
    return estimates


def _groups(column: str, values: Sequence[str]) -> dict[str, np.ndarray]:
    """Who is in which group, bool [N]: by value, or by thirds, the lowest first; last who is in none."""
    if column in TERTILES and not np.isnan(numbers := np.array([_number(value) for value in values])).all():
        low, high = np.nanquantile(numbers, [1 / 3, 2 / 3])
        groups = {
            f"up to {low:.1f}": numbers <= low,
            f"above {low:.1f}, up to {high:.1f}": (numbers > low) & (numbers <= high),
            f"above {high:.1f}": numbers > high,
            UNKNOWN: np.isnan(numbers),
        }
    else:
        texts = np.array(values)
        named = sorted(set(values), key=lambda value: (not value, value))
        groups = {value or UNKNOWN: texts == value for value in named}
    return {name: own for name, own in groups.items() if own.any()}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
