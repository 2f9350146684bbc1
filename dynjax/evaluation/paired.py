"""Compares two runs on the same subjects: exact McNemar and DeLong tests, bootstrap intervals, Holm's correction."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from dynjax.evaluation.delong import delong_test
from dynjax.evaluation.metrics import METRICS, THRESHOLD
from dynjax.evaluation.numbers import refuse_nan
from dynjax.evaluation.predictions import Prediction, by_subject
from dynjax.evaluation.resampling import Statistic, bca_intervals

P = TypeVar("P", float, float | None)
SEED = 0  # of the bootstrap, so that the same two runs always give the same interval


class Test(NamedTuple):
    """A metric of the second run minus that of the first, its 95 % interval, and the two-sided p value.

    ci95 is None where no resample changes the difference, p where the test is undefined. p_holm is p after Holm's
    correction; it is None until `correct` has seen the whole family of tests.
    """

    difference: float
    ci95: list[float] | None
    p: float | None
    p_holm: float | None = None


class Pairing(NamedTuple):
    """Two runs on the folds that both have: the fold numbers, the number of subjects, and a test of each metric."""

    folds: list[int]
    n_subjects: int
    accuracy: Test  # McNemar's
    roc_auc: Test  # DeLong's


class ScoredRun(NamedTuple):
    """A run's predictions, and for each fold the probability from which a subject is called positive."""

    predictions: list[Prediction]
    thresholds: dict[int, float]


def pair(first: ScoredRun, second: ScoredRun, positive: str) -> Pairing:
    """Compares two runs by subject, on the folds that both have.

    Raises: ValueError if they share no fold, if scans, folds or labels differ there, or if only one label occurs.
    """
    common = sorted({row.fold for row in first.predictions} & {row.fold for row in second.predictions})
    if not common:
        raise ValueError("the runs share no evaluated fold")
    ours, theirs = (sorted(row for row in run.predictions if row.fold in common) for run in (first, second))
    if [row[:-1] for row in ours] != [row[:-1] for row in theirs]:  # all fields but the probability
        raise ValueError("scans, folds or labels differ in predictions.csv")
    folds, labels, our_probabilities = by_subject(ours, positive)  # each [N]
    _, _, their_probabilities = by_subject(theirs, positive)
    our_thresholds = np.array([first.thresholds[fold] for fold in folds])
    their_thresholds = np.array([second.thresholds[fold] for fold in folds])
    if len(np.unique(labels)) < 2:
        raise ValueError("only one label in the folds that both runs have")
    tests = paired_tests(labels, our_probabilities, their_probabilities, our_thresholds, their_thresholds)
    return Pairing(common, len(labels), *tests)


def paired_tests(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, first_threshold=THRESHOLD, second_threshold=THRESHOLD
) -> tuple[Test, Test]:
    """Tests the difference in accuracy (McNemar) and in ROC AUC (DeLong) between two runs.

    Args: labels [N] of 0 and 1, both present; each run's probabilities [N]; each run's threshold, one number or [N].
    Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, first_probabilities=first, second_probabilities=second)
    refuse_nan(first_thresholds=first_threshold, second_thresholds=second_threshold)
    first_calls, second_calls = (first >= first_threshold).astype(float), (second >= second_threshold).astype(float)

    def difference_of(metric: str, one: np.ndarray, other: np.ndarray) -> Statistic:
        return lambda weights: METRICS[metric](labels, other, weights) - METRICS[metric](labels, one, weights)

    statistics = {
        "accuracy": difference_of("accuracy", first_calls, second_calls),
        "roc_auc": difference_of("roc_auc", first, second),
    }
    intervals = bca_intervals(labels, statistics, SEED)
    values = {metric: float(statistic(np.ones(len(labels)))) for metric, statistic in statistics.items()}
    return (
        Test(values["accuracy"], intervals["accuracy"], mcnemar_test(first_calls == labels, second_calls == labels)),
        Test(values["roc_auc"], intervals["roc_auc"], delong_test(labels, first, second)),
    )


def mcnemar_test(first_right: np.ndarray, second_right: np.ndarray) -> float:
    """Returns McNemar's exact two-sided p value (1947; binomial, no mid-p) for equal accuracy of two classifiers.

    Args: two bool arrays [N], whether each classifies a subject correctly. 1 where they never differ.
    """
    from scipy.stats import binomtest  # slow to import

    only_first, only_second = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    differing = only_first + only_second
    return float(binomtest(only_first, differing).pvalue) if differing else 1.0


def holm(p_values: Sequence[P]) -> list[P]:
    """Corrects p values for their number by Holm's step-down method (1979); None, undefined, is not counted.

    Raises: ValueError for NaN.
    """
    refuse_nan(p_values=[p for p in p_values if p is not None])
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected, largest = list(p_values), 0.0
    for rank, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))  # never below the correction of a smaller p
        corrected[index] = largest
    return corrected


def correct(pairings: list[Pairing]) -> list[Pairing]:
    """Fills in `p_holm`; the family is every test of every pairing, accuracy and AUC alike."""
    family: list[float | None] = []
    for pairing in pairings:
        family += [pairing.accuracy.p, pairing.roc_auc.p]
    p_holm = holm(family)  # in the order of `family`
    corrected = []
    for index, pairing in enumerate(pairings):
        accuracy = pairing.accuracy._replace(p_holm=p_holm[2 * index])
        roc_auc = pairing.roc_auc._replace(p_holm=p_holm[2 * index + 1])
        corrected.append(pairing._replace(accuracy=accuracy, roc_auc=roc_auc))
    return corrected
