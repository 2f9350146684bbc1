"""Reads and writes results.json."""

import functools
import json
import operator
from pathlib import Path
from typing import Any

from dynjax.errors import InputError
from dynjax.files import write_text
from dynjax.report.comparison import PAPER_METRICS

Results = dict[str, Any]

NEEDED = (
    *("positive_class", "selection", "n_subjects", "model.parameters", "provenance.folds_sha256"),
    *("cohort.source", "cohort.synthetic", "cohort.n_scans", "cohort.excluded", "weights.pretrained", "weights.source"),
)


def read_results(path: Path) -> Results:
    """Reads what `write_results` wrote. Raises: InputError if the file is missing, damaged or of an older version."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        _check(results)
    except OSError:
        raise InputError(f"{path}: no such file; run train on this workdir to its end") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: damaged or of an older version; run evaluate on this workdir") from None
    return results


def results_so_far(path: Path) -> Results:
    """Reads results.json; {} if it is missing or cannot be used."""
    try:
        return read_results(path)
    except InputError:
        return {}


def write_results(path: Path, results: Results) -> None:
    """Writes results.json. Raises: ValueError for a value that JSON has no word for, such as NaN."""
    write_text(path, json.dumps(results, indent=2, allow_nan=False) + "\n")


def is_complete(results: Results) -> bool:
    """Whether every fold is in them."""
    return results.get("folds_missing") == []


def _check(results: Results) -> None:
    """Asks for every key that some reader needs. Raises: KeyError, TypeError or ValueError without it."""
    for key in NEEDED:
        functools.reduce(operator.getitem, key.split("."), results)
    for fold in results["folds"] or [{}]:  # there is at least one
        float(fold["train_seconds"])
        operator.itemgetter("fold", "epoch", "n_test")(fold)
    for name in PAPER_METRICS:
        estimate = results["metrics"][name]
        for value in (estimate["value"], *(estimate["ci95"] or ())):
            float(value or 0)
