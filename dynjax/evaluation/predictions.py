"""predictions.csv: one line a scan, with the probability that the network which never saw its subject gave it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.csv_table import read_csv, write_csv
from dynjax.errors import InputError

PREDICTION_COLUMNS = ["subject", "session", "fold", "label", "probability"]


class Prediction(NamedTuple):
    """label is the scan table's own string; probability that of the positive class."""

    subject: str
    session: str
    fold: int
    label: str
    probability: float


def write_predictions(path: Path, predictions: list[Prediction]) -> None:
    """Writes predictions.csv; nine digits bring a float32 back exactly."""
    write_csv(path, PREDICTION_COLUMNS, ((*row[:-1], f"{row.probability:.9g}") for row in predictions))


def read_predictions(path: Path) -> list[Prediction]:
    """Reads what `write_predictions` wrote. Raises: InputError if the file is missing or damaged."""
    try:
        return read_csv(path, PREDICTION_COLUMNS, _prediction)
    except OSError:
        raise InputError(f"{path}: no such file; run evaluate on this workdir") from None
    except InputError as error:
        raise InputError(f"{error}; run evaluate on this workdir") from None


def _prediction(subject: str, session: str, fold: str, label: str, probability: str) -> Prediction:
    if not 0 <= float(probability) <= 1:
        raise ValueError(f"{probability} is no probability")
    return Prediction(subject, session, int(fold), label, float(probability))


def by_subject(predictions: list[Prediction], positive: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Folds, labels (1 for `positive`) and probabilities, an entry a subject: the mean over a subject's scans."""
    groups: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault(prediction.subject, []).append(prediction)
    folds = np.array([group[0].fold for group in groups.values()])
    labels = np.array([int(group[0].label == positive) for group in groups.values()])
    return folds, labels, np.array([np.mean([row.probability for row in group]) for group in groups.values()])
