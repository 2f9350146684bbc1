"""Divides training scans into inner folds, which choose and calibrate without the test scans."""

import numpy as np
from scipy.optimize import minimize
from sklearn.model_selection import StratifiedGroupKFold

from dynjax.errors import InputError

INNER_FOLDS = 5
LEAST_SLOPE = 1e-3  # of a sigmoid


def inner_folds(targets: np.ndarray, subjects: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits by subject, stratified by label, into INNER_FOLDS folds: pairs of training and test indices.

    If the rarer label has fewer subjects than that, there are as many folds as it has subjects.
    Raises: InputError if it has one.
    """
    fewest = min(len(np.unique(subjects[targets == label])) for label in (0, 1))
    if fewest < 2:
        advice = "take fewer --config.train.folds, or more subjects"
        raise InputError(f"a fold trains on a single subject of one label, and inner folds need two; {advice}")
    split = StratifiedGroupKFold(min(INNER_FOLDS, fewest), shuffle=True, random_state=seed)
    return list(split.split(targets, targets, subjects))


def fit_sigmoid(decisions: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Fits slope and intercept by Platt's method (1999), with his smoothed targets and a slope of at least LEAST_SLOPE.

    The inner folds of a weak classifier often call for a negative slope, which would reverse the classifier.
    """
    return _fit(decisions, _smooth(targets))[0]


def sigmoid_loss(decisions: np.ndarray, targets: np.ndarray) -> float:
    """Returns the mean cross-entropy that is left under the sigmoid of `fit_sigmoid`."""
    return _fit(decisions, _smooth(targets))[1]


def _smooth(targets: np.ndarray) -> np.ndarray:
    positives = np.count_nonzero(targets)
    return np.where(targets == 1, (positives + 1) / (positives + 2), 1 / (len(targets) - positives + 2))


def _fit(decisions: np.ndarray, targets: np.ndarray) -> tuple[tuple[float, float], float]:
    def loss(parameters: np.ndarray) -> float:
        logits = parameters[0] * decisions + parameters[1]
        return float(np.mean(np.logaddexp(0, logits) - targets * logits))

    found = minimize(loss, (1.0, 0.0), bounds=[(LEAST_SLOPE, None), (None, None)])
    return (float(found.x[0]), float(found.x[1])), float(found.fun)
