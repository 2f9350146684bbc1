"""The variance of areas under ROC curves after DeLong et al. 1988: an interval of one, a test of two.

DeLong, DeLong, Clarke-Pearson, Biometrics 44, 1988; by midranks as in Sun and Xu, IEEE Signal Process. Lett. 21, 2014.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import rankdata

from dynjax.evaluation.resampling import LEVEL


def placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive the share of negatives below it, for each negative the share of positives above it.

    Args: labels [N] of 0 and 1, both present; scores [N]. Ties count half; the mean of either is the AUC.
    """
    positive, negative = scores[labels == 1], scores[labels == 0]
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[: len(positive)] - rankdata(positive)) / len(negative)
    below = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    return above, below


def auc_interval(labels: np.ndarray, scores: np.ndarray) -> list[float]:
    """The 95 % interval of the AUC: DeLong's variance on the logit scale, in which it stays within 0 and 1.

    Where that variance is 0, as for an AUC of 1, it says nothing: Newcombe's score interval then. Both labels present.
    """
    above, below = placements(labels, scores)
    auc, variance = float(above.mean()), _variance(above) + _variance(below)
    if not np.isfinite(variance) or variance <= 0 or not 0 < auc < 1:
        return newcombe_interval(auc, len(above), len(below))
    half = ndtri((1 + LEVEL) / 2) * np.sqrt(variance) / (auc * (1 - auc))
    return [float(expit(logit(auc) - half)), float(expit(logit(auc) + half))]


def newcombe_interval(auc: float, positives: int, negatives: int) -> list[float]:
    """The areas that lie within 1.96 of their own standard errors of `auc`: Wilson's idea for an AUC.

    Newcombe, Statistics in Medicine 25, 2006, method 5; the variance is Hanley and McNeil's (1982), of exponential
    scores, at the mean of the two numbers of subjects.
    """
    z, extra = ndtri((1 + LEVEL) / 2), (positives + negatives) / 2 - 1

    def distance(area: float) -> float:
        spread = area * (1 - area) * (1 + extra * ((1 - area) / (2 - area) + area / (1 + area)))
        return (area - auc) ** 2 - z**2 * spread / (positives * negatives)

    edge = 1e-12  # at 0 and 1 themselves the distance is 0 for want of a variance
    inside = min(max(auc, edge), 1 - edge)
    low = brentq(distance, edge, inside) if distance(edge) > 0 else 0.0
    high = brentq(distance, inside, 1 - edge) if distance(1 - edge) > 0 else 1.0
    return [float(low), float(high)]


def delong_test(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float | None:
    """The two-sided p value of equal areas, for two scores [N] of the same subjects.

    None where the difference has no variance but is not 0, or a label is absent: the test cannot say then.
    """
    if len(np.unique(labels)) < 2:
        return None
    above, below = (a - b for a, b in zip(placements(labels, first), placements(labels, second)))
    difference, variance = float(above.mean()), _variance(above) + _variance(below)
    if abs(difference) < 1e-12:
        return 1.0
    return float(2 * ndtr(-abs(difference) / np.sqrt(variance))) if variance > 0 else None


def _variance(values: np.ndarray) -> float:
    """Of the mean of the values; NaN for a single one."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else float("nan")
