"""Tests whether the label is associated with age, sex, site or scanner: permutation tests, corrected by Holm."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import MonteCarloMethod, chi2_contingency, permutation_test

from dynjax.evaluation.paired import holm

NUMERIC = ("age",)  # columns of numbers; all others are categorical
RESAMPLES = 9999
LEVEL = 0.05  # an association is significant if its corrected p value is lower
CHUNK = 10**7  # permuted values in memory at a time


class Association(NamedTuple):
    """The permutation test of the label against one column, over the `subjects` whose value is known.

    corrected: p after Holm's correction for the number of columns tested.
    """

    column: str
    subjects: int
    p: float
    corrected: float

    @property
    def significant(self) -> bool:
        return self.corrected < LEVEL


def find_associations(labels: np.ndarray, columns: Mapping[str, Sequence[str]], seed: int) -> list[Association]:
    """Tests each column for association with the labels [N] of 0 and 1, one per subject; '' is an unknown value.

    Skips a column whose known values form fewer than two groups or whose subjects all have one label.
    """
    tested = []
    for name, texts in columns.items():
        known, values = _numbers(texts) if name in NUMERIC else _groups(texts)
        if len(np.unique(values)) > 1 and len(np.unique(labels[known])) > 1:
            test = permute_numbers if name in NUMERIC else permute_groups
            tested.append((name, len(values), test(labels[known], values, seed)))
    corrected = holm([p for _, _, p in tested])
    return [Association(*row, adjusted) for row, adjusted in zip(tested, corrected)]


def permute_groups(labels: np.ndarray, groups: np.ndarray, seed: int) -> float:
    """Returns the p value of Pearson's chi-squared test between labels and groups, both [N], by permutation.

    Permuted labels give tables with the same margins, which are sampled directly (Patefield 1981).
    """
    _, codes = np.unique(groups, return_inverse=True)
    table = np.stack([np.bincount(codes[labels == label], minlength=codes.max() + 1) for label in (0, 1)])  # [2, G]
    method = MonteCarloMethod(n_resamples=RESAMPLES, rng=np.random.default_rng(seed))
    return float(chi2_contingency(table, correction=False, method=method).pvalue)


def permute_numbers(labels: np.ndarray, values: np.ndarray, seed: int) -> float:
    """Returns the two-sided permutation p value of the difference in mean value between labels; both are [N]."""
    result = permutation_test(
        (values[labels == 0], values[labels == 1]),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        n_resamples=RESAMPLES,
        batch=max(1, CHUNK // len(values)),
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _numbers(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the positions of the texts that are finite numbers, and the numbers."""
    numbers = np.array([_number(text) for text in texts])
    known = np.flatnonzero(np.isfinite(numbers))
    return known, numbers[known]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _groups(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the positions of the nonempty texts that occur more than once, and these texts."""
    names, codes, counts = np.unique(np.asarray(texts, str), return_inverse=True, return_counts=True)
    known = np.flatnonzero((counts[codes] > 1) & (names[codes] != ""))
    return known, names[codes[known]]
