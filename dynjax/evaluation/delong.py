"""DeLong's variance of the ROC AUC: a confidence interval for one AUC, and a test of the difference between two.

Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988; computed by midranks as in Sun and Xu, IEEE Signal
Process. Lett. 21, 2014.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import rankdata

from dynjax.evaluation.resampling import LEVEL


def placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the share of negatives below each positive, and the share of positives above each negative.

    Ties count half; the mean of either array is the AUC. Args: labels [N] of 0 and 1, both present; scores [N].
    """
    positive, negative = scores[labels == 1], scores[labels == 0]
    ranks = rankdata(np.concatenate([positive, negative]))  # among all subjects, [N]
    above = (ranks[: len(positive)] - rankdata(positive)) / len(negative)
    below = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    return above, below


def auc_interval(labels: np.ndarray, scores: np.ndarray) -> list[float]:
    """Returns the 95 % interval of the AUC from DeLong's variance, on the logit scale to stay between 0 and 1.

    Where that variance is 0, as for an AUC of 1, or undefined, returns Newcombe's score interval.

    Args: labels [N] of 0 and 1, both present; scores [N].
    """
    above, below = placements(labels, scores)
    auc, variance = float(above.mean()), _variance(above) + _variance(below)
    if not np.isfinite(variance) or variance <= 0 or not 0 < auc < 1:
        return newcombe_interval(auc, len(above), len(below))
    half = ndtri((1 + LEVEL) / 2) * np.sqrt(variance) / (auc * (1 - auc))
    return [float(expit(logit(auc) - half)), float(expit(logit(auc) + half))]


def newcombe_interval(auc: float, positives: int, negatives: int) -> list[float]:
    """Returns the range of areas that differ from `auc` by at most 1.96 of their own standard errors.

    This applies the idea of Wilson's interval to the AUC (Newcombe, Statistics in Medicine 25, 2006, method 5). The
    variance is that of Hanley and McNeil (1982) for exponential scores, at the mean of the two numbers of subjects.
    """
    z = ndtri((1 + LEVEL) / 2)
    extra = (positives + negatives) / 2 - 1

    def distance(area: float) -> float:  # 0 at the ends of the interval, negative inside it
        spread = area * (1 - area) * (1 + extra * ((1 - area) / (2 - area) + area / (1 + area)))
        return (area - auc) ** 2 - z**2 * spread / (positives * negatives)

    edge = 1e-12  # not 0 and 1 themselves: there the variance is 0, which gives `distance` a false root
    inside = min(max(auc, edge), 1 - edge)
    low = brentq(distance, edge, inside) if distance(edge) > 0 else 0.0
    high = brentq(distance, inside, 1 - edge) if distance(1 - edge) > 0 else 1.0
    return [float(low), float(high)]


def delong_test(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float | None:
    """Returns the two-sided p value for equal AUCs of two scores [N] of the same subjects.

    None where the test is undefined: a label is absent, or the difference is not 0 but has no variance.
    """
    if len(np.unique(labels)) < 2:
        return None
    first_above, first_below = placements(labels, first)
    second_above, second_below = placements(labels, second)
    above, below = first_above - second_above, first_below - second_below  # [positives], [negatives]
    difference, variance = float(above.mean()), _variance(above) + _variance(below)
    if abs(difference) < 1e-12:
        return 1.0
    return float(2 * ndtr(-abs(difference) / np.sqrt(variance))) if variance > 0 else None


def _variance(values: np.ndarray) -> float:
    """Returns the variance of the mean of the values; NaN for a single value."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else float("nan")
