"""How well a run does among women, the old, the scans of a site: every metric with its interval, group by group."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from dynjax.evaluation.intervals import estimate_all

FEWEST = 5  # subjects of either label, below which a group is named and not estimated
TERTILES = ("age",)  # columns whose numbers are cut into three groups of equally many subjects
UNKNOWN = "not known"
SHOWN = {"accuracy": "Accuracy", "roc_auc": "ROC AUC", "recall": "Recall", "specificity": "Specificity"}


def estimate_subgroups(
    labels: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    seed: int,
) -> list[dict]:
    """An entry a group of every column: column, group, n, n_positive, metrics (None if too small), note.

    Args: labels, probabilities and thresholds [N], an entry a subject; columns: what the scan table says of each, ''
      where it says nothing. A column of one group alone is left out.
    """
    estimates = []
    for column, values in columns.items():
        names = np.array(_tertiles(values) if column in TERTILES else [value or UNKNOWN for value in values])
        groups = sorted(set(names), key=lambda name: (name == UNKNOWN, names.tolist().index(name), name))
        for group in groups if len(groups) > 1 else []:
            own = names == group
            found = {"column": column, "group": group, "n": int(own.sum()), "n_positive": int(labels[own].sum())}
            fewest = min(found["n_positive"], found["n"] - found["n_positive"])
            metrics = estimate_all(labels[own], probabilities[own], seed, thresholds[own]) if fewest >= FEWEST else None
            note = "" if metrics else f"too small: needs {FEWEST} subjects of either label"
            estimates.append(found | {"metrics": metrics, "note": note})
    return estimates


def print_subgroups(subgroups: list[dict]) -> None:
    """Nothing where there are none."""
    if not subgroups:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("", "", "subjects", "positive", *SHOWN.values()):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for group in subgroups:
        cells = [_cell(group["metrics"][name]) for name in SHOWN] if group["metrics"] else [group["note"]]
        table.add_row(group["column"], group["group"], str(group["n"]), str(group["n_positive"]), *cells)
    needed = Console(width=1000).measure(table).maximum
    Console(width=max(Console().width, needed)).print(table)


def _tertiles(values: Sequence[str]) -> list[str]:
    """Names of the thirds, lowest first; a value that is no number is not known."""
    numbers = np.array([_number(value) for value in values])
    if np.isnan(numbers).all():
        return [UNKNOWN] * len(values)
    low, high = np.nanquantile(numbers, [1 / 3, 2 / 3])
    names = [f"up to {low:.1f}", f"above {low:.1f}, up to {high:.1f}", f"above {high:.1f}"]
    return [UNKNOWN if np.isnan(number) else names[int(number > low) + int(number > high)] for number in numbers]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _cell(estimate: dict) -> str:
    if estimate["value"] is None:
        return "-"
    interval = " to ".join(f"{end:.2f}" for end in estimate["ci95"] or ())
    return f"{estimate['value']:.2f} ({interval or '-'})"
