"""Evaluates a run in subgroups, such as women, the oldest, or one site: every metric with its interval, by group."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynjax.evaluation.intervals import estimate_all
from dynjax.evaluation.numbers import refuse_nan

Group = dict[str, Any]  # column, group, n, n_positive, metrics (None if it is too small), note

FEWEST = 5  # subjects of each label; a smaller group is listed without estimates
TERTILES = ("age",)  # columns of numbers that are cut into three groups of equal numbers of subjects
UNKNOWN = "not known"


def estimate_subgroups(
    labels: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    seed: int,
) -> list[Group]:
    """Estimates the metrics of every group of every column; a column with a single group is left out.

    Args: labels, probabilities and thresholds [N], one per subject; columns: the scan table's value for each subject,
      '' where it has none; seed of the bootstrap.
    Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, probabilities=probabilities, thresholds=thresholds)
    estimates = []
    for column, values in columns.items():
        groups = _groups(column, values)
        if len(groups) > 1:
            for group, own in groups.items():
                estimate = _estimate(labels[own], probabilities[own], thresholds[own], seed)
                estimates.append({"column": column, "group": group} | estimate)
    return estimates


def _estimate(labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray, seed: int) -> Group:
    """Estimates the metrics of one group, unless it has fewer than FEWEST subjects of a label."""
    n, n_positive = len(labels), int(labels.sum())
    metrics, note = None, f"too small: needs {FEWEST} subjects of either label"
    if min(n_positive, n - n_positive) >= FEWEST:
        metrics, note = estimate_all(labels, probabilities, seed, thresholds), ""
    return {"n": n, "n_positive": n_positive, "metrics": metrics, "note": note}


def _groups(column: str, values: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns the members of each group, bool [N], without empty groups; subjects of unknown value come last."""
    numbers = np.array([_number(value) for value in values])  # [N], NaN where unknown
    if column in TERTILES and not np.isnan(numbers).all():
        groups = _tertiles(numbers)
    else:
        texts = np.array(values)
        named = sorted(set(values), key=lambda value: (not value, value))  # '' last
        groups = {value or UNKNOWN: texts == value for value in named}
    return {name: own for name, own in groups.items() if own.any()}


def _tertiles(numbers: np.ndarray) -> dict[str, np.ndarray]:
    """Cuts numbers [N] into thirds, the lowest first, and a group of those that are NaN."""
    low, high = np.nanquantile(numbers, [1 / 3, 2 / 3])
    return {
        f"up to {low:.1f}": numbers <= low,
        f"above {low:.1f}, up to {high:.1f}": (numbers > low) & (numbers <= high),
        f"above {high:.1f}": numbers > high,
        UNKNOWN: np.isnan(numbers),
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
