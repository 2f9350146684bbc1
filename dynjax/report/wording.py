"""The words and number formats that tables, pages and cards share."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dynjax.evaluation.intervals import WITHIN_FOLDS
from dynjax.evaluation.metrics import PREVALENCES

METRIC_NAMES = {
    "accuracy": "Accuracy",
    "roc_auc": "ROC AUC",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "average_precision": "Average precision",
    "balanced_accuracy": "Balanced accuracy",
    "specificity": "Specificity",
    "brier": "Brier (0 is best)",
    "mcc": "MCC",
    "log_loss": "Log loss (0 is best)",
    "calibration_slope": "Calibration slope (1 is best)",
    "calibration_intercept": "Calibration intercept (0 is best)",
    "ece": "ECE (0 is best)",
    "sensitivity_at_90_specificity": "Sensitivity at 90 % specificity",
    **{
        f"{value}_at_{prevalence}_prevalence": f"{value.upper()} at {prevalence} % prevalence"
        for value in ("ppv", "npv")
        for prevalence in PREVALENCES
    },
}
IF_CALIBRATED = "ECE if calibrated"
# Metrics that only a whole run has, no fold or subgroup: each follows the metric that it belongs to.
OF_WHOLE_RUNS = {"roc_auc": (WITHIN_FOLDS, "ROC AUC within folds")}
POOLING = (
    "ROC AUC pools the scores of the folds' networks, which need not have the same scale, and may be too low for that; "
    "within folds, only scores of one network are compared"
)

# How a run's epoch was selected. Selection on test subjects is optimistic and is marked so wherever a score is shown.
SELECTIONS = {
    "last": "last epoch, nothing selected on test subjects",
    "validation": "epoch and threshold selected on a fifth of each fold's training subjects, which it did not train on",
    "test": "OPTIMISTIC: each fold's epoch was selected on its test subjects, as the released code does",
}


# Of an external evaluation, whose subjects none of the networks was selected on.
SELECTED_ELSEWHERE = "each network's epoch was selected on test subjects of its own run, none of whom is among these"


def selection_text(results: Mapping[str, Any]) -> str:
    """Says how the epochs of a run's networks were selected."""
    if "external" in results and results["selection"] == "test":
        return SELECTED_ELSEWHERE
    return SELECTIONS[results["selection"]]


def trained_on_text(external: Mapping[str, Any]) -> str:
    """Says on whom the networks of an external evaluation were trained, from its entry in results.json."""
    source = external.get("trained_on")
    if source is None:
        return "trained on subjects who are not recorded here"
    whom = "SYNTHETIC subjects" if source["synthetic"] else "subjects"
    labels = " with SHUFFLED labels" if source["shuffled"] else ""
    repeats = f" in one of {source['repeats']} repeats" if source["repeats"] > 1 else ""
    who = f"{source['n_subjects']} {whom} of {Path(source['source']).name}{labels}"
    return f"trained on {who}, each without one of {source['folds']} folds{repeats}"


def counted(count: int, noun: str) -> str:
    """Counts things: '1 fold' or '3 folds'."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def of_whole_run(name: str, results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns (name, title) of the metric of OF_WHOLE_RUNS that follows a metric, if the results have it."""
    own, title = OF_WHOLE_RUNS.get(name, ("", ""))
    return [(own, title)] if results["metrics"].get(own, {}).get("value") is not None else []


def name_folds(folds: list[int]) -> str:
    """Names folds by their numbers: 'fold 3' or 'folds 0, 2'."""
    noun = "folds" if len(folds) > 1 else "fold"
    return f"{noun} {', '.join(map(str, folds))}"


def number(value: float | None, digits: int = 3, sign: str = "") -> str:
    """Formats a value, or '-' if it is undefined; with `sign='+'`, positive values get a plus sign."""
    return "-" if value is None or np.isnan(value) else f"{value:{sign}.{digits}f}"


def interval(ends: Iterable[float] | None, digits: int = 3, sign: str = "") -> str:
    """Formats an interval as 'low to high', or '' if there is none."""
    return " to ".join(number(end, digits, sign) for end in ends or ())


def with_interval(value: float | None, ends: Iterable[float] | None, digits: int = 2, sign: str = "") -> str:
    """Formats a value with its interval as 'value (low to high)'."""
    between = interval(ends, digits, sign)
    return number(value, digits, sign) + (f" ({between})" if between else "")


def estimate_text(estimate: Mapping[str, Any], digits: int = 2) -> str:
    """Formats an entry of results.json's metrics as 'value (low to high)'."""
    return with_interval(estimate["value"], estimate["ci95"], digits)
