"""results.json, and the same as a table on the terminal."""

import json
from pathlib import Path

from dynjax.errors import InputError
from dynjax.evaluation.metrics import PREVALENCES
from dynjax.evaluation.terminal import new_table, print_table
from dynjax.files import write_text

NAMES = {
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
IF_CALIBRATED = "  ECE, were it calibrated"

# What the scores are those of. A selection on the test subjects is optimistic, and is called so wherever it is shown.
SELECTIONS = {
    "last": "last epoch, nothing selected on test subjects",
    "validation": "epoch and threshold selected on a fifth of each fold's training subjects, which it did not train on",
    "test": "OPTIMISTIC: each fold's epoch was selected on its test subjects, as the released code does",
}


def name_folds(folds: list[int]) -> str:
    """'fold 3', 'folds 0, 2'."""
    return f"fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}"


def results_so_far(path: Path) -> dict:
    """What `write_results` wrote; {} if the file is missing or damaged."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return written if isinstance(written, dict) else {}


def is_complete(results: dict) -> bool:
    """Whether they are those of every fold."""
    return results.get("folds_missing") == []


def read_results(path: Path) -> dict:
    """Raises: InputError if the file is missing or damaged."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        results["positive_class"], results["cohort"]["synthetic"], results["metrics"]["roc_auc"], results["folds"][0]
        return results
    except OSError:
        raise InputError(f"{path}: no such file; run train on this workdir to its end") from None
    except (ValueError, KeyError, TypeError, IndexError):
        raise InputError(f"{path}: damaged or of an older version; run evaluate on this workdir") from None


def write_results(path: Path, results: dict) -> None:
    """Raises: ValueError for a value that JSON has no word for, such as NaN."""
    write_text(path, json.dumps(results, indent=2, allow_nan=False) + "\n")


def print_results(results: dict) -> None:
    """The metrics with their 95 % intervals over all subjects, and each fold's value if there are several."""
    folds = results["folds"] if len(results["folds"]) > 1 else []
    headings = ("", "all", "95 % interval", *(f"fold {fold['fold']}" for fold in folds))
    table = new_table(headings, title=_title(results), caption=_caption(results))
    for name, title in NAMES.items():
        table.add_row(*_row(title, *(each["metrics"][name] for each in (results, *folds))))
        if name == "ece":
            table.add_row(*_row(IF_CALIBRATED, *(each["metrics"][name]["if_calibrated"] for each in (results, *folds))))
    print_table(table)


def _row(title: str, estimate: dict, *folds: dict) -> list[str]:
    interval = " to ".join(_number(end, 3) for end in estimate["ci95"] or ())
    return [title, _number(estimate["value"], 3), interval, *(_number(fold["value"], 2) for fold in folds)]


def _title(results: dict) -> str:
    kind = "SYNTHETIC phantom subjects" if results["cohort"]["synthetic"] else "subjects"
    if results["cohort"].get("shuffled"):
        kind += " with SHUFFLED labels"
    if "external" in results:
        kind = f"EXTERNAL {kind}, which {results['external']['networks']} networks never saw and answer together"
    title = f"{results['n_subjects']} {kind}, positive class {results['positive_class']}"
    missing = results["folds_missing"]
    return f"{title}; {name_folds(missing)} NOT TRAINED yet" if missing else title


def _caption(results: dict) -> str:
    weights, folds = results["weights"], results["folds"]
    seconds = sum(fold["train_seconds"] for fold in folds)
    if folds[0]["epoch"] is None:
        return f"a baseline by {weights['source']}, fitted on each fold's training subjects in {seconds:.1f} s"
    origin = f"ImageNet weights {weights['source']}" if weights["pretrained"] else "RANDOM weights, no pretraining"
    return f"started from {origin}; {seconds:.0f} s of training; {SELECTIONS[results['selection']]}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
