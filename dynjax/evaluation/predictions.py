"""predictions.csv: one line a scan, with the probability that the network which never saw its subject gave it."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.errors import InputError
from dynjax.files import write_text

COLUMNS = ["subject", "session", "fold", "label", "probability"]


class Prediction(NamedTuple):
    """label is the scan table's own string; probability that of the positive class."""

    subject: str
    session: str
    fold: int
    label: str
    probability: float


def write_predictions(path: Path, predictions: list[Prediction]) -> None:
    """Nine digits bring a float32 back exactly."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((*row[:-1], f"{row.probability:.9g}") for row in predictions)
    write_text(path, text.getvalue())


def read_predictions(path: Path) -> list[Prediction]:
    """What `write_predictions` wrote. Raises: InputError if the file is missing or damaged."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [
            Prediction(row["subject"], row["session"], int(row["fold"]), row["label"], _probability(row["probability"]))
            for row in rows
        ]
    except OSError:
        raise InputError(f"{path}: no such file; run evaluate on this workdir") from None
    except (ValueError, KeyError, TypeError, csv.Error):
        raise InputError(f"{path}: damaged: not a table of {','.join(COLUMNS)}; run evaluate on this workdir") from None


def _probability(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise ValueError(f"{text} is no probability")
    return value


def by_subject(predictions: list[Prediction], positive: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Folds, labels (1 for `positive`) and probabilities, an entry a subject: the mean over a subject's scans."""
    groups: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault(prediction.subject, []).append(prediction)
    folds = np.array([group[0].fold for group in groups.values()])
    labels = np.array([int(group[0].label == positive) for group in groups.values()])
    return folds, labels, np.array([np.mean([row.probability for row in group]) for group in groups.values()])
