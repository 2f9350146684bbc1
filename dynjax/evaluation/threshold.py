"""Chooses the probability from which a subject is called positive, on subjects that are not tested."""

import numpy as np

from dynjax.evaluation.metrics import THRESHOLD
from dynjax.evaluation.numbers import refuse_nan


def best_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Returns the threshold with the largest sum of sensitivity and specificity (Youden, Cancer 3, 1950).

    It is 0.5 or halfway between two neighbouring probabilities; of equally good ones, the nearest to 0.5.

    Args: labels [N] of 0 and 1, both present; probabilities [N]. Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, probabilities=probabilities)
    values = np.unique(probabilities)
    candidates = np.array([THRESHOLD, *(values[1:] + values[:-1]) / 2])  # [C]
    called = probabilities >= candidates[:, None]  # [C, N]
    youden = called[:, labels == 1].mean(1) - called[:, labels == 0].mean(1)  # sensitivity + specificity - 1, [C]
    best = candidates[youden >= youden.max() - 1e-9]
    return float(best[np.abs(best - THRESHOLD).argmin()])
