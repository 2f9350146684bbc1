"""The stratified bootstrap over subjects, with its bias corrected and accelerated (BCa).

Efron, JASA 82, 1987; the acceleration of two samples as in Davison and Hinkley, Bootstrap Methods, 1997, section 5.3.2.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy.special import ndtr, ndtri

LEVEL = 0.95
RESAMPLES = 2000
UNDEFINED = 0.05  # the share of resamples without a value from which on an interval would be that of the others
CHUNK = 10**5  # weights held at a time: what a processor's cache holds is three times as fast
GROUPS = 1000  # of the jackknife, at most: with more subjects than that, it leaves out several at a time

# Maps weights of the subjects [K, N] to values [K].
Statistic = Callable[[np.ndarray], np.ndarray]


def bca_intervals(labels: np.ndarray, statistics: Mapping[str, Statistic], seed: int) -> dict[str, list[float] | None]:
    """The 95 % interval of each statistic, all from the same resamples; None where resampling cannot give one."""
    everyone = np.ones((1, len(labels)))
    drawn = _values(statistics, resamples(labels, seed))
    groups = [_values(statistics, chunks) for chunks in jackknife(labels)]
    return {
        name: _bca(float(statistic(everyone)[0]), drawn[name], acceleration([group[name] for group in groups]))
        for name, statistic in statistics.items()
    }


def resamples(labels: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """RESAMPLES rows of weights [.., N], a chunk at a time: how often a resample holds each subject.

    The number of subjects of either label is kept.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, RESAMPLES, step := max(1, CHUNK // len(labels))):
        weights = np.zeros((min(step, RESAMPLES - start), len(labels)))
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), len(weights))
        yield weights


def jackknife(labels: np.ndarray) -> Iterator[Iterator[np.ndarray]]:
    """For each label, rows of weights [.., N] that leave out one of its subjects, or one of GROUPS groups of them.

    A label's only subject is kept: nothing is known of how another in its place would differ.
    """
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            yield _without(len(labels), np.array_split(members, min(len(members), GROUPS)))


def _without(count: int, groups: list[np.ndarray]) -> Iterator[np.ndarray]:
    for start in range(0, len(groups), step := max(1, CHUNK // count)):
        weights = np.ones((len(groups[start : start + step]), count))
        for row, group in zip(weights, groups[start:]):
            row[group] = 0
        yield weights


def acceleration(jackknifed: list[np.ndarray]) -> float:
    """Of a statistic's values with each subject left out, an array a label; 0 if they do not vary or one is none."""
    if not all(np.isfinite(values).all() for values in jackknifed):
        return 0.0
    pulls = [(values.mean() - values) * (len(values) - 1) / len(values) for values in jackknifed]
    spread = sum((pull**2).sum() for pull in pulls)
    return float(sum((pull**3).sum() for pull in pulls) / (6 * spread**1.5)) if spread else 0.0


def _bca(value: float, drawn: np.ndarray, acceleration: float) -> list[float] | None:
    """None where too many resamples are undefined, and where the ends would be one or infinite."""
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) < (1 - UNDEFINED) * RESAMPLES:
        return None
    below = (np.mean(drawn < value) + np.mean(drawn <= value)) / 2
    bias = ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    z = bias + ndtri(np.array([1 - LEVEL, 1 + LEVEL]) / 2)
    with np.errstate(invalid="ignore"):  # between two infinite values
        low, high = np.quantile(drawn, ndtr(bias + z / (1 - acceleration * z))).tolist()
        return [low, high] if 1e-12 < high - low < np.inf else None


def _values(statistics: Mapping[str, Statistic], chunks: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    parts = [{name: statistic(weights) for name, statistic in statistics.items()} for weights in chunks]
    return {name: np.concatenate([part[name] for part in parts]) for name in statistics}
