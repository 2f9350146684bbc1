"""Two runs on the same subjects: exact McNemar, DeLong, the bootstrap of the difference, and Holm over the family."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.stats import binomtest

from dynjax.evaluation.delong import delong_test
from dynjax.evaluation.metrics import METRICS, THRESHOLD
from dynjax.evaluation.predictions import Prediction, by_subject
from dynjax.evaluation.resampling import Statistic, bca_intervals

P = TypeVar("P", float, float | None)
SEED = 0  # of the bootstrap: the same two runs always give the same interval


class Test(NamedTuple):
    """A metric of the second run minus that of the first, its 95 % interval, and the two-sided p value.

    The interval is None where no resample moves the difference, p where the test is undefined; `p_holm` is p after
    Holm's correction, None until `correct` has seen the family.
    """

    difference: float
    ci95: list[float] | None
    p: float | None
    p_holm: float | None = None


class Pairing(NamedTuple):
    """Two runs on the folds that both have: their numbers, how many subjects these hold, and a test of each metric."""

    folds: list[int]
    n_subjects: int
    accuracy: Test  # McNemar's
    roc_auc: Test  # DeLong's


class ScoredRun(NamedTuple):
    """A run's predictions, and of each fold the probability from which on it calls a subject positive."""

    predictions: list[Prediction]
    thresholds: dict[int, float]


def pair(first: ScoredRun, second: ScoredRun, positive: str) -> Pairing:
    """Compares two runs by subject, on the folds that both have.

    Raises: ValueError if they share no fold, or their scans, folds or labels differ there, or a label is absent.
    """
    common = sorted({row.fold for row in first.predictions} & {row.fold for row in second.predictions})
    if not common:
        raise ValueError("no fold is done in both")
    ours, theirs = (sorted(row for row in run.predictions if row.fold in common) for run in (first, second))
    if [row[:-1] for row in ours] != [row[:-1] for row in theirs]:
        raise ValueError("other scans, folds or labels in predictions.csv")
    folds, labels, ours_p = by_subject(ours, positive)
    _, _, theirs_p = by_subject(theirs, positive)
    thresholds = [np.array([run.thresholds[fold] for fold in folds]) for run in (first, second)]
    if len(np.unique(labels)) < 2:
        raise ValueError("only one label in the folds that both have")
    return Pairing(common, len(labels), *paired_tests(labels, ours_p, theirs_p, *thresholds))


def paired_tests(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, first_threshold=THRESHOLD, second_threshold=THRESHOLD
) -> tuple[Test, Test]:
    """Of the accuracies and of the areas.

    Args: labels [N] of 0 and 1, both present, either run's probabilities [N], and its threshold, one or [N].
    """
    calls = (first >= first_threshold).astype(float), (second >= second_threshold).astype(float)

    def difference_of(metric: str, one: np.ndarray, other: np.ndarray) -> Statistic:
        return lambda weights: METRICS[metric](labels, other, weights) - METRICS[metric](labels, one, weights)

    statistics = {"accuracy": difference_of("accuracy", *calls), "roc_auc": difference_of("roc_auc", first, second)}
    intervals = bca_intervals(labels, statistics, SEED)
    values = {metric: float(statistic(np.ones(len(labels)))) for metric, statistic in statistics.items()}
    right = (each == labels for each in calls)
    return (
        Test(values["accuracy"], intervals["accuracy"], mcnemar_test(*right)),
        Test(values["roc_auc"], intervals["roc_auc"], delong_test(labels, first, second)),
    )


def mcnemar_test(first_right: np.ndarray, second_right: np.ndarray) -> float:
    """The exact two-sided p value (McNemar 1947, the binomial, no mid-p) of equal shares of subjects called rightly.

    Args: two bool arrays [N], whether each of the two calls a subject rightly. 1 where they never differ.
    """
    only_first, only_second = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    differing = only_first + only_second
    return float(binomtest(only_first, differing).pvalue) if differing else 1.0


def holm(p_values: Sequence[P]) -> list[P]:
    """p values after Holm's step-down correction (1979) for how many there are; None, undefined, does not count."""
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected, largest = list(p_values), 0.0
    for rank, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[index] = largest
    return corrected


def correct(pairings: list[Pairing]) -> list[Pairing]:
    """The same with `p_holm`: the family is every test of every pairing, accuracy and AUC alike."""
    corrected = iter(holm([test.p for pairing in pairings for test in (pairing.accuracy, pairing.roc_auc)]))
    return [
        pairing._replace(
            accuracy=pairing.accuracy._replace(p_holm=next(corrected)),
            roc_auc=pairing.roc_auc._replace(p_holm=next(corrected)),
        )
        for pairing in pairings
    ]
