"""Curves of a run's probabilities with their bands: labels [N] of 0 and 1, probabilities [N], an entry a subject."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dynjax.evaluation.calibration import BINS, rank_bins
from dynjax.evaluation.intervals import wilson
from dynjax.evaluation.resampling import LEVEL, resamples

GRID = np.linspace(0, 1, 101)  # where bands are known


class Curve(NamedTuple):
    """A curve through x and y, and the pointwise 95 % band low to high on GRID."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Bins(NamedTuple):
    """Of each bin: the mean probability, the share of positives with its interval (Wilson), and how many subjects."""

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray


def roc_points(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of the negatives and of the positives at or above each threshold, from none to all."""
    true, false = _counter(labels, probabilities)(np.ones((1, len(labels))))
    return _from_zero(false[0]), _from_zero(true[0])


def roc_curve(labels: np.ndarray, probabilities: np.ndarray, seed: int) -> Curve:
    """Sensitivity against 1 - specificity; both labels present."""

    def at_grid(true: np.ndarray, false: np.ndarray) -> np.ndarray:
        return np.interp(GRID, _from_zero(false), _from_zero(true))

    return Curve(*roc_points(labels, probabilities), *_band(labels, probabilities, seed, at_grid))


def precision_recall_curve(labels: np.ndarray, probabilities: np.ndarray, seed: int) -> Curve:
    """Precision against recall, a step function whose area is the average precision; both labels present."""

    def at_grid(true: np.ndarray, false: np.ndarray) -> np.ndarray:
        first = np.searchsorted(true / true[-1], GRID - 1e-9)
        first = np.maximum(first, np.argmax(true > 0))
        return true[first] / (true[first] + false[first])

    (true,), (false,) = _counter(labels, probabilities)(np.ones((1, len(labels))))
    rises = np.diff(true, prepend=0) > 0
    recall, precision = true[rises] / true[-1], true[rises] / (true + false)[rises]
    curve = np.r_[0, recall], np.r_[precision[0], precision]
    return Curve(*curve, *_band(labels, probabilities, seed, at_grid))


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> Bins:
    """The bins of the expected calibration error, without those that ties leave empty."""
    bins = rank_bins(probabilities)
    groups = [bins == each for each in range(BINS) if (bins == each).any()]
    limits = [wilson(labels[group].sum(), group.sum()) for group in groups]
    low, high = np.array(limits).T
    predicted, observed = ([float(values[group].mean()) for group in groups] for values in (probabilities, labels))
    return Bins(np.array(predicted), np.array(observed), low, high, np.array([group.sum() for group in groups]))


def _counter(labels: np.ndarray, probabilities: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Maps weights [K, N] to those of the positives and of the negatives, [K, S] each, at or above each probability.

    Distinct probabilities, descending.
    """
    order = np.argsort(-probabilities, kind="stable")
    scores, positive = probabilities[order], labels[order] == 1
    last = np.flatnonzero(np.r_[scores[1:] != scores[:-1], True])

    def count(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ranked = weights[:, order]
        true, everyone = (ranked * positive).cumsum(1)[:, last], ranked.cumsum(1)[:, last]
        return true, everyone - true

    return count


def _band(labels, probabilities, seed: int, at_grid: Callable) -> np.ndarray:
    """Low and high [2, GRID] of at_grid(true [S], false [S]) over the resamples of a stratified bootstrap."""
    count = _counter(labels, probabilities)
    drawn = [at_grid(*each) for weights in resamples(labels, seed) for each in zip(*count(weights))]
    return np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)


def _from_zero(counts: np.ndarray) -> np.ndarray:
    return np.r_[0, counts] / counts[-1]
