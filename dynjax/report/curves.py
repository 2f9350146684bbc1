"""ROC, precision-recall and reliability curves of a run, with bands.

All take labels [N] of 0 and 1 and probabilities [N], one per subject, and raise ValueError for NaN.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dynjax.evaluation.calibration import rank_bins
from dynjax.evaluation.intervals import wilson
from dynjax.evaluation.numbers import refuse_nan
from dynjax.evaluation.resampling import LEVEL, resamples

GRID = np.linspace(0, 1, 101)  # where bands are computed


class Curve(NamedTuple):
    """A curve through the points (x, y), with its pointwise 95 % band, low to high, on GRID."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Bins(NamedTuple):
    """Calibration bins: mean probability, observed share of positives with Wilson's interval, number of subjects."""

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray


def roc_points(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns false and true positive rates, [S + 1] each, at every threshold from the highest to the lowest."""
    true, false = _counter(labels, probabilities)(np.ones((1, len(labels))))  # each [1, S]
    return _from_zero(false[0]), _from_zero(true[0])


def roc_curve(labels: np.ndarray, probabilities: np.ndarray, seed: int) -> Curve:
    """Returns sensitivity against 1 - specificity. Both labels must be present."""

    def at_grid(true: np.ndarray, false: np.ndarray) -> np.ndarray:
        return np.interp(GRID, _from_zero(false), _from_zero(true))

    return Curve(*roc_points(labels, probabilities), *_band(labels, probabilities, seed, at_grid))


def precision_recall_curve(labels: np.ndarray, probabilities: np.ndarray, seed: int) -> Curve:
    """Returns precision against recall, a step function whose area is the average precision.

    Both labels must be present.
    """

    def at_grid(true: np.ndarray, false: np.ndarray) -> np.ndarray:
        first = np.searchsorted(true / true[-1], GRID - 1e-9)  # the first threshold that reaches each recall
        first = np.maximum(first, np.argmax(true > 0))  # at a recall of 0, that of the first positive
        return true[first] / (true[first] + false[first])

    true, false = (counts[0] for counts in _counter(labels, probabilities)(np.ones((1, len(labels)))))  # each [S]
    rises = np.diff(true, prepend=0) > 0  # the thresholds that add recall
    recall, precision = true[rises] / true[-1], true[rises] / (true + false)[rises]
    x, y = np.r_[0, recall], np.r_[precision[0], precision]
    return Curve(x, y, *_band(labels, probabilities, seed, at_grid))


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> Bins:
    """Returns the bins of the expected calibration error, without those that ties leave empty."""
    refuse_nan(labels=labels)
    bins = rank_bins(probabilities)  # [N]
    groups = [bins == each for each in np.unique(bins)]  # [B] of [N]
    predicted = np.array([float(probabilities[group].mean()) for group in groups])
    observed = np.array([float(labels[group].mean()) for group in groups])
    low, high = np.array([wilson(labels[group].sum(), group.sum()) for group in groups]).T
    return Bins(predicted, observed, low, high, np.array([group.sum() for group in groups]))


def _counter(labels: np.ndarray, probabilities: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns a function from weights [K, N] to the weight of positives and of negatives, [K, S] each.

    It counts the subjects at or above each distinct probability, in descending order.
    """
    refuse_nan(labels=labels, probabilities=probabilities)
    order = np.argsort(-probabilities, kind="stable")
    scores, positive = probabilities[order], labels[order] == 1  # [N]
    last = np.flatnonzero(np.r_[scores[1:] != scores[:-1], True])  # the last of each run of ties, [S]

    def count(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ranked = weights[:, order]  # [K, N]
        true, everyone = (ranked * positive).cumsum(1)[:, last], ranked.cumsum(1)[:, last]  # [K, S]
        return true, everyone - true

    return count


def _band(labels, probabilities, seed: int, at_grid: Callable) -> np.ndarray:
    """Returns the band of at_grid(true [S], false [S]) over stratified bootstrap resamples, low and high: [2, GRID]."""
    count = _counter(labels, probabilities)
    drawn = []
    for weights in resamples(labels, seed):
        for true, false in zip(*count(weights)):  # each [S]
            drawn.append(at_grid(true, false))
    return np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)


def _from_zero(counts: np.ndarray) -> np.ndarray:
    """Returns cumulative counts [S] as shares of the last, with a leading 0: [S + 1]."""
    return np.r_[0, counts] / counts[-1]
