"""Repeats: their mean, their spread, and the interval between subjects."""

import numpy as np
import pytest

from dynjax.evaluation.intervals import WITHIN_FOLDS, estimate_all, estimate_within_folds
from dynjax.evaluation.metrics import METRICS
from dynjax.evaluation.repeated import Repeat, estimate_repeats
from dynjax.evaluation.resampling import bca_intervals

LABELS = np.arange(40) % 2
FOLDS = np.arange(40) // 2 % 4


def repeats(count, threshold=0.5):
    rng = np.random.default_rng(0)
    severity = LABELS + rng.normal(0, 1, 40)
    noisy = [1 / (1 + np.exp(-severity - rng.normal(0, 0.5, 40))) for _ in range(count)]
    return [Repeat(each, np.full(40, threshold), FOLDS) for each in noisy]


def test_the_value_is_the_mean_and_the_spread_that_of_the_repeats():
    three = repeats(3, threshold=0.6)
    found = estimate_repeats(LABELS, three, 0)
    alone = [estimate_all(LABELS, each.probabilities, 0, 0.6) for each in three]
    for name in ("roc_auc", "accuracy", "brier", "mcc"):
        values = [each[name]["value"] for each in alone]
        assert found[name]["repeats"] == pytest.approx(values)
        assert found[name]["value"] == pytest.approx(np.mean(values))
        assert found[name]["repeat_sd"] == pytest.approx(np.std(values, ddof=1)) and found[name]["repeat_sd"] > 0
    within = [estimate_within_folds(LABELS, each.probabilities, FOLDS)["value"] for each in three]
    assert found[WITHIN_FOLDS]["repeats"] == pytest.approx(within) and len(set(within)) > 1
    for name in (*METRICS, WITHIN_FOLDS):
        low, high = found[name]["ci95"]
        assert low < found[name]["value"] < high, name


def test_the_interval_is_between_subjects():
    """Of the same repeat twice it is that of one alone, and nothing is between them."""
    (one,) = repeats(1)
    found = estimate_repeats(LABELS, [one, one], 3)
    error = {"brier": lambda weights: weights @ (one.probabilities - LABELS) ** 2 / weights.sum(-1)}
    assert found["brier"]["ci95"] == pytest.approx(bca_intervals(LABELS, error, 3)["brier"])
    assert found["brier"]["repeat_sd"] == 0


def test_what_a_repeat_leaves_undefined_is_none():
    (one,) = repeats(1)
    nobody = Repeat(one.probabilities, np.full(40, 2.0), FOLDS)
    found = estimate_repeats(LABELS, [one, nobody], 0)["precision"]
    assert found["value"] is found["ci95"] is found["repeat_sd"] is found["repeats"][1] is None
    assert found["repeats"][0] is not None
