"""DeLong's variance of the ROC AUC: intervals of an AUC and of a mean of AUCs, and a test of the difference of two.

Sources: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988; computed by midranks as in Sun and Xu, IEEE Signal
Process. Lett. 21, 2014.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri

from dynjax.evaluation.numbers import refuse_nan
from dynjax.evaluation.resampling import LEVEL


def placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the share of negatives below each positive, and the share of positives above each negative.

    Ties count half; the mean of either array is the AUC. Args: labels [N] of 0 and 1, both present; scores [N].
    Raises: ValueError for NaN.
    """
    from scipy.stats import rankdata  # slow to import

    refuse_nan(labels=labels, scores=scores)
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
    return mean_auc_interval([placements(labels, scores)])


def mean_auc_interval(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Returns the 95 % interval of the mean of the AUCs of several parts, such as folds, made as `auc_interval` is.

    The variance of a positive's or a negative's placement within its part is estimated over all parts together.

    Args: the `placements` of each part. Raises: ValueError for NaN.
    """
    refuse_nan(placements=np.concatenate([values for part in parts for values in part]))
    auc = float(np.mean([above.mean() for above, _ in parts]))
    variance = sum(_variance_of_mean(side) for side in zip(*parts))
    if not np.isfinite(variance) or variance <= 0 or not 0 < auc < 1:
        return newcombe_interval(auc, *(sum(map(len, side)) for side in zip(*parts)))
    half = ndtri((1 + LEVEL) / 2) * np.sqrt(variance) / (auc * (1 - auc))
    return [float(expit(logit(auc) - half)), float(expit(logit(auc) + half))]


def newcombe_interval(auc: float, positives: int, negatives: int) -> list[float]:
    """Returns the range of areas that differ from `auc` by at most 1.96 of their own standard errors.

    This applies the idea of Wilson's interval to the AUC (Newcombe, Statistics in Medicine 25, 2006, method 5). The
    variance is that of Hanley and McNeil (1982) for exponential scores, at the mean of the two numbers of subjects.
    """
    from scipy.optimize import brentq  # slow to import

    refuse_nan(areas=auc, positives=positives, negatives=negatives)
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
    Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, first_scores=first, second_scores=second)
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
    return _variance_of_mean([values])


def _variance_of_mean(groups: Sequence[np.ndarray]) -> float:
    """Returns the variance of the mean of the groups' means, of values as variable in each; NaN for single values."""
    freedom = sum(len(values) - 1 for values in groups)
    if not freedom:
        return float("nan")
    of_one = sum(((values - values.mean()) ** 2).sum() for values in groups) / freedom
    return float(sum(of_one / len(values) for values in groups) / len(groups) ** 2)
