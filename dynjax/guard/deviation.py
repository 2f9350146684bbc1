"""Says how far a scan lies from a cohort: robust deviations of its measures, and one p value for the largest."""

from typing import NamedTuple

import numpy as np

MAD = 1.4826  # times the median absolute deviation is a normal distribution's standard deviation
FEWEST = 20  # scans, below which nothing can be said about another one
WARNED, REFUSED = 1.4, 2.4  # times the cohort's own far end, from which a scan is warned of or refused
FAR_END = 0.98  # quantile of the cohort's own deviations
LEAST_END = 4.0  # deviations; the far end is never taken to be nearer


class Reference(NamedTuple):
    """Holds what is usual in a cohort, from scans that their fold's network never saw.

    middle, spread: float [J], the median and the robust standard deviation of each measure. one_sided: bool [J], for
    measures of which only larger values are unusual. folds: for each fold, the largest deviations of its test scans.
    """

    middle: np.ndarray
    spread: np.ndarray
    one_sided: np.ndarray
    folds: tuple[np.ndarray, ...]

    @property
    def scans(self) -> int:
        """The number of scans."""
        return sum(map(len, self.folds))

    @property
    def far_end(self) -> float:
        """How far the cohort's own scans reach, in deviations."""
        return max(float(np.quantile(np.concatenate(self.folds), FAR_END)), LEAST_END)


class Judgement(NamedTuple):
    """Says how a scan lies to a cohort.

    verdict: 'ok', 'warning', 'refused', or 'unknown' if the cohort has fewer than FEWEST scans. deviation: its largest
    robust deviation, the median over folds. p: the share of the cohort's scans, this one included, that lie as far out.
    deviations: signed, float [J], the medians over folds.
    """

    verdict: str
    deviation: float
    p: float
    deviations: np.ndarray


def make_reference(values: np.ndarray, folds: np.ndarray, least: np.ndarray, one_sided: np.ndarray) -> Reference:
    """Summarises the measures of a cohort's test scans.

    Args: values, float [N, J], of each scan to its own fold's training scans; folds, [N]; least, float [J], the
    smallest spread of each measure; one_sided, bool [J].
    """
    middle = np.median(values, 0)
    spread = np.maximum(MAD * np.median(np.abs(values - middle), 0), least)
    largest = _sizes((values - middle) / spread, one_sided).max(1)  # [N]
    return Reference(middle, spread, one_sided, tuple(largest[folds == fold] for fold in np.unique(folds)))


def judge(reference: Reference, values: np.ndarray) -> Judgement:
    """Judges a scan by its measures to the training scans of each fold, float [K, J]."""
    signed = (values - reference.middle) / reference.spread  # [K, J]
    largest = _sizes(signed, reference.one_sided).max(1)  # [K]
    as_far = sum(int((usual >= own).sum()) for usual, own in zip(reference.folds, largest))
    deviation = float(np.median(largest))
    if reference.scans < FEWEST:
        verdict = "unknown"
    elif deviation >= REFUSED * reference.far_end:
        verdict = "refused"
    else:
        verdict = "warning" if deviation >= WARNED * reference.far_end else "ok"
    return Judgement(verdict, deviation, (1 + as_far) / (1 + reference.scans), np.median(signed, 0))


def _sizes(signed: np.ndarray, one_sided: np.ndarray) -> np.ndarray:
    return np.where(one_sided, np.maximum(signed, 0), np.abs(signed))
