"""The stratified bootstrap over subjects: bias-corrected and accelerated (BCa) intervals, and centred ones.

Sources: Efron, JASA 82, 1987; the acceleration of two samples is from Davison and Hinkley, Bootstrap Methods, 1997,
section 5.3.2.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
from scipy.special import ndtr, ndtri

from dynjax.evaluation.numbers import refuse_nan

LEVEL = 0.95
RESAMPLES = 2000
UNDEFINED = 0.05  # largest share of undefined resamples: with more, the interval would describe only the defined ones
CHUNK = 10**5  # weights in memory at a time: three times as fast as more, because they fit the processor's cache
GROUPS = 1000  # of the jackknife, at most: with more subjects than that, it leaves out several at a time

# Maps weights of the subjects [K, N] to values [K].
Statistic = Callable[[np.ndarray], np.ndarray]


def bca_intervals(
    labels: np.ndarray, statistics: Mapping[str, Statistic], seed: int, centred: Collection[str] = ()
) -> dict[str, list[float] | None]:
    """Returns the 95 % interval of each statistic, all from the same resamples; None where resampling gives none.

    Args: centred, the statistics, never negative, that resampling raises so much that BCa's interval of them may lie
      below the estimate; theirs is that of the resampled values, shifted to have the estimate as their mean.
    Raises: ValueError for a label that is NaN.
    """
    everyone = np.ones((1, len(labels)))
    drawn = _values(statistics, resamples(labels, seed))
    jackknifed = [_values(statistics, chunks) for chunks in jackknife(labels)]  # one entry per label
    intervals = {}
    for name, statistic in statistics.items():
        value = float(statistic(everyone)[0])
        if name in centred:
            intervals[name] = _centred(value, drawn[name])
        else:
            intervals[name] = _bca(value, drawn[name], acceleration([values[name] for values in jackknifed]))
    return intervals


def resamples(labels: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Yields RESAMPLES rows of weights in chunks [K, N]: how often a resample contains each subject.

    Every resample keeps the number of subjects of each label. Raises: ValueError for a label that is NaN.
    """
    refuse_nan(labels=labels)
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // len(labels))
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        weights = np.zeros((rows, len(labels)))  # [K, N]
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            chances = np.full(len(members), 1 / len(members))
            weights[:, members] = rng.multinomial(len(members), chances, rows)
        yield weights


def jackknife(labels: np.ndarray) -> Iterator[Iterator[np.ndarray]]:
    """Yields, for each label, rows of weights in chunks [K, N] that leave out one of its subjects each.

    With more than GROUPS subjects, each row leaves out one of GROUPS groups. A label with a single subject is skipped:
    the data do not show how another subject in its place would differ. Raises: ValueError for a label that is NaN.
    """
    refuse_nan(labels=labels)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            yield _without(len(labels), np.array_split(members, min(len(members), GROUPS)))


def _without(count: int, groups: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields weights in chunks [K, count], one row per group: 0 for its members and 1 for everyone else."""
    step = max(1, CHUNK // count)
    for start in range(0, len(groups), step):
        chunk = groups[start : start + step]
        weights = np.ones((len(chunk), count))
        for row, members in zip(weights, chunk):
            row[members] = 0
        yield weights


def acceleration(jackknifed: list[np.ndarray]) -> float:
    """Returns the acceleration of a statistic from its jackknifed values, one array per label.

    0 if the values do not vary or one of them is undefined.
    """
    if not all(np.isfinite(values).all() for values in jackknifed):
        return 0.0
    # The influence of each subject on the statistic, divided by the number of subjects of its label.
    influences = [(values.mean() - values) * (len(values) - 1) / len(values) for values in jackknifed]
    squares = sum((influence**2).sum() for influence in influences)
    cubes = sum((influence**3).sum() for influence in influences)
    return float(cubes / (6 * squares**1.5)) if squares else 0.0


def _bca(value: float, drawn: np.ndarray, acceleration: float) -> list[float] | None:
    """Returns the BCa interval of `value` from its resampled values [K].

    None if too many resamples are undefined, or if the ends of the interval coincide or are infinite.
    """
    drawn = drawn[~np.isnan(drawn)]
    if _too_few(drawn):
        return None
    below = (np.mean(drawn < value) + np.mean(drawn <= value)) / 2  # ties count half
    bias = ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    z = bias + ndtri(np.array([1 - LEVEL, 1 + LEVEL]) / 2)  # [2], the lower and the upper end
    with np.errstate(invalid="ignore"):  # np.quantile between two infinite values
        low, high = np.quantile(drawn, ndtr(bias + z / (1 - acceleration * z))).tolist()
        return [low, high] if 1e-12 < high - low < np.inf else None


def _centred(value: float, drawn: np.ndarray) -> list[float] | None:
    """Returns the interval of the resampled values [K] shifted to the mean `value`, from 0 on; None as `_bca`."""
    drawn = drawn[~np.isnan(drawn)]
    if _too_few(drawn):
        return None
    low, high = (np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - drawn.mean() + value).tolist()
    return [max(low, 0.0), high] if 1e-12 < high - low < np.inf else None


def _too_few(defined: np.ndarray) -> bool:
    return len(defined) < (1 - UNDEFINED) * RESAMPLES


def _values(statistics: Mapping[str, Statistic], chunks: Iterator[np.ndarray]) -> dict[str, np.ndarray]:
    """Evaluates every statistic on every chunk of weights [K, N] and joins the values of all chunks."""
    parts = [{name: statistic(weights) for name, statistic in statistics.items()} for weights in chunks]
    return {name: np.concatenate([part[name] for part in parts]) for name in statistics}
