"""Writes and reads predictions.csv: one line per scan, predicted by the network that never saw its subject."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.csv_table import read_csv, write_csv
from dynjax.errors import InputError
from dynjax.evaluation.numbers import refuse_nan

PREDICTION_COLUMNS = ["subject", "session", "fold", "label", "probability"]


class Prediction(NamedTuple):
    """The prediction for one scan. label: as spelt in the scan table; probability: of the positive class."""

    subject: str
    session: str
    fold: int
    label: str
    probability: float


def write_predictions(path: Path, predictions: list[Prediction]) -> None:
    """Writes predictions.csv, with nine digits, which restore a float32 exactly. Raises: ValueError for NaN."""
    refuse_nan(probabilities=[row.probability for row in predictions])
    write_csv(path, PREDICTION_COLUMNS, ((*row[:-1], f"{row.probability:.9g}") for row in predictions))


def read_predictions(path: Path) -> list[Prediction]:
    """Reads the predictions that `write_predictions` wrote. Raises: InputError if the file is missing or damaged."""
    try:
        return read_csv(path, PREDICTION_COLUMNS, _prediction)
    except OSError:
        raise InputError(f"{path}: no such file; run evaluate on this workdir") from None
    except InputError as error:
        raise InputError(f"{error}; run evaluate on this workdir") from None


def _prediction(subject: str, session: str, fold: str, label: str, probability: str) -> Prediction:
    if not 0 <= float(probability) <= 1:
        raise ValueError(f"{probability} is not a probability")
    return Prediction(subject, session, int(fold), label, float(probability))


def by_subject(predictions: list[Prediction], positive: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns folds, labels (1 for `positive`) and probabilities, each [N], one per subject.

    A subject's probability is the mean over its scans; subjects are in the order of their first scan.
    Raises: ValueError for NaN.
    """
    refuse_nan(probabilities=[row.probability for row in predictions])
    groups: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault(prediction.subject, []).append(prediction)
    folds = np.array([group[0].fold for group in groups.values()])
    labels = np.array([int(group[0].label == positive) for group in groups.values()])
    probabilities = np.array([np.mean([row.probability for row in group]) for group in groups.values()])
    return folds, labels, probabilities
