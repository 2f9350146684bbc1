"""The probability from which on a subject is called positive, chosen on subjects that are not tested."""

import numpy as np

from dynjax.evaluation.metrics import THRESHOLD


def best_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Where sensitivity and specificity have the largest sum (Youden, Cancer 3, 1950), nearest to 0.5 among equals.

    Args: labels [N] of 0 and 1, both present; probabilities [N]. Halfway between two of them, or 0.5 itself.
    """
    values = np.unique(probabilities)
    candidates = np.array([THRESHOLD, *(values[1:] + values[:-1]) / 2])
    called = probabilities >= candidates[:, None]
    youden = called[:, labels == 1].mean(1) - called[:, labels == 0].mean(1)
    best = candidates[youden >= youden.max() - 1e-9]
    return float(best[np.abs(best - THRESHOLD).argmin()])
