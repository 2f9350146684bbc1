"""Intervals against published examples, scipy's, and simulation."""

import math
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn import metrics as sk

from benchmarks.coverage import (
    FAST,
    LOWEST,
    MEANS,
    SIZES,
    TRUTHS,
    accuracy_interval,
    coverage,
    draw,
    expected_ece,
    stretched,
)
from dynjax.evaluation import resampling
from dynjax.evaluation.calibration import ece_if_calibrated
from dynjax.evaluation.delong import auc_interval, newcombe_interval
from dynjax.evaluation.intervals import (
    WITHIN_FOLDS,
    carried_wilson,
    describe_intervals,
    estimate_all,
    estimate_within_folds,
    wilson,
)
from dynjax.evaluation.metrics import METRICS, PROPORTIONS
from dynjax.evaluation.resampling import acceleration, bca_intervals, jackknife, resamples
from dynjax.evaluation.threshold import best_threshold
from tests.evaluation.test_metrics import sample

# The bins of the ECE stay those of the cohort, where scipy would leave a subject out before they are made.
RESAMPLED = [name for name in METRICS if name not in PROPORTIONS and name not in ("roc_auc", "ece")]


def test_undefined_values_are_none():
    estimates = estimate_all(np.array([1, 1, 1]), np.array([0.2, 0.1, 0.3]), seed=0)
    assert estimates["roc_auc"] == {"value": None, "ci95": None}
    assert estimates["precision"] == {"value": None, "ci95": None}
    assert estimates["recall"]["value"] == 0 and estimates["specificity"]["value"] is None
    assert estimates["calibration_slope"]["value"] is estimates["ppv_at_10_prevalence"]["value"] is None


@pytest.mark.parametrize(
    "labels, probabilities",
    [([0], [0.2]), ([0, 1], [0.1, 0.9]), ([0, 1, 1], [0.0, 1.0, 0.0]), ([0, 1, 0, 1, 1], [0.2, 0.3, 0.4, 0.5, 0.6])],
)
def test_the_smallest_cohorts(labels, probabilities):
    for name, estimate in estimate_all(np.array(labels), np.array(probabilities), seed=0).items():
        low, high = estimate["ci95"] or (-math.inf, math.inf)
        assert estimate["value"] is None or low <= estimate["value"] <= high, name


def test_wilson_intervals_are_the_published_ones():
    """Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for part, whole, expected in (
        (81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0, 0.1611)), (1, 29, (0.0061, 0.1718)),
    ):  # fmt: skip
        np.testing.assert_allclose(wilson(part, whole), expected, atol=6e-5)


def test_calls_are_by_the_threshold_of_each_subject():
    labels, probabilities = sample(n=50, seed=1)
    thresholds = np.where(np.arange(50) < 25, 0.2, 0.6)
    calls = np.where(np.arange(50) < 25, probabilities >= 0.2, probabilities >= 0.6).astype(float)
    ours, expected = estimate_all(labels, probabilities, 0, thresholds), estimate_all(labels, calls, 0)
    for name in ("accuracy", "f1", "mcc", "ppv_at_10_prevalence"):
        assert ours[name] == expected[name] != estimate_all(labels, probabilities, 0)[name]
    assert ours["roc_auc"] == estimate_all(labels, probabilities, 0)["roc_auc"]


@pytest.mark.parametrize(
    ("labels", "probabilities", "threshold"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], 0.5),  # itself, where it parts them
        ([0, 0, 1, 1], [0.6, 0.7, 0.8, 0.9], 0.75),
        ([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], 0.35),  # of two that are equally good the nearest to 0.5
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], 0.5),
    ],
)
def test_a_threshold_parts_the_labels_as_well_as_it_can(labels, probabilities, threshold):
    assert best_threshold(np.array(labels), np.array(probabilities)) == pytest.approx(threshold)


def test_estimates_hold_their_value_and_follow_the_seed():
    labels, probabilities = sample()
    estimates = estimate_all(labels, probabilities, seed=0)
    for name, estimate in estimates.items():
        low, high = estimate["ci95"]
        assert low < estimate["value"] < high, name
    assert estimates == estimate_all(labels, probabilities, seed=0) != estimate_all(labels, probabilities, seed=1)
    stated = describe_intervals(7)
    assert (stated["resamples"], stated["seed"], stated["level"]) == (2000, 7, 0.95)
    assert sum(len(weights) for weights in resamples(labels, 0)) == 2000


@pytest.mark.parametrize("name", RESAMPLED)
def test_bca_intervals_are_scipys_for_the_same_resamples(name):
    """scipy's BCa of two samples, the subjects of either label, in its own way of leaving one out."""
    labels, probabilities = sample()
    kept = (labels == 0) | (np.cumsum(labels) <= 12)
    labels, probabilities = labels[kept], probabilities[kept]
    weights = np.concatenate(list(resamples(labels, 0)))
    assert (weights[:, labels == 1].sum(1) == 12).all() and (weights[:, labels == 0].sum(1) == 30).all()
    drawn = METRICS[name](labels, probabilities, weights)

    def statistic(positive, negative):
        y, p = np.repeat((1, 0), (len(positive), len(negative))), np.concatenate([positive, negative])
        return float(METRICS[name](y, p, np.ones(len(y))))

    samples, given = (
        (probabilities[labels == 1], probabilities[labels == 0]),
        SimpleNamespace(bootstrap_distribution=drawn),
    )
    theirs = bootstrap(samples, statistic, n_resamples=0, vectorized=False, bootstrap_result=given).confidence_interval
    ours = bca_intervals(labels, {name: partial(METRICS[name], labels, probabilities)}, seed=0)[name]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6 if "slope" in name else 1e-10)


def test_acceleration_is_the_published_one():
    """Efron and Tibshirani 1993, section 14.3: the variance of spatial test A, 171.5, has the acceleration 0.061."""
    scores = "48 36 20 29 42 42 20 42 22 41 45 14 6 0 33 28 34 4 32 24 47 41 24 26 30 41"
    scores = np.array(scores.split(), float)
    assert scores.var() == pytest.approx(171.5, abs=0.05)
    left_out = np.array([np.delete(scores, index).var() for index in range(26)])
    assert acceleration([left_out]) == pytest.approx(0.061, abs=0.0005)


def test_a_large_cohorts_jackknife_leaves_out_groups(monkeypatch):
    """And its acceleration is nearly that of leaving out one at a time."""
    rng = np.random.default_rng(0)
    labels, probabilities = np.arange(2000) % 2, rng.beta(0.3, 1, 2000)
    log_loss = partial(METRICS["log_loss"], labels, probabilities)
    found = {}
    for groups in (500, 1000):
        monkeypatch.setattr(resampling, "GROUPS", groups)
        rows = [np.concatenate(list(chunks)) for chunks in jackknife(labels)]
        assert [len(weights) for weights in rows] == [groups, groups]
        assert ((np.concatenate(rows) == 0).sum(0) == 1).all()
        found[groups] = acceleration([log_loss(weights) for weights in rows])
    assert found[500] == pytest.approx(found[1000], abs=0.002) and found[1000] > 0.006


def test_intervals_where_nobody_is_called_wrongly():
    """Every resample is the same there; the interval is what as many subjects can rule out."""
    labels = np.arange(100) % 2
    estimates = estimate_all(labels, np.where(labels == 1, 0.9, 0.2) + np.arange(100) / 1000, seed=0)
    lowest = wilson(50, 50)[0]
    assert estimates["average_precision"]["ci95"][0] == estimates["sensitivity_at_90_specificity"]["ci95"][0] == lowest
    assert estimates["balanced_accuracy"]["ci95"] == pytest.approx([1 - (1 - lowest) / math.sqrt(2), 1])
    assert estimates["ppv_at_50_prevalence"]["ci95"] == pytest.approx([1 / (2 - lowest), 1])
    assert estimates["ppv_at_10_prevalence"]["ci95"] == pytest.approx([0.1 / (0.1 + 0.9 * (1 - lowest)), 1])
    for name, expected in (("roc_auc", 1), ("f1", 1), ("mcc", 1), ("npv_at_30_prevalence", 1)):
        low, high = estimates[name]["ci95"]
        assert 0.85 < low < 0.98 and high == estimates[name]["value"] == expected, name
    assert estimates["calibration_slope"] == {"value": None, "ci95": None}


def test_intervals_of_a_constant():
    """One answer for everyone: the AUC is one half by ties alone, and what cannot be resampled has no interval."""
    estimates = estimate_all(np.arange(40) % 2, np.full(40, 0.5), seed=0)
    low, high = estimates["roc_auc"]["ci95"]
    assert estimates["roc_auc"]["value"] == 0.5 and 0.3 < low < 0.4 and low + high == pytest.approx(1)
    assert estimates["brier"] == {"value": 0.25, "ci95": None}
    assert estimates["mcc"] == estimates["npv_at_10_prevalence"] == {"value": None, "ci95": None}
    assert estimates["balanced_accuracy"]["ci95"] == pytest.approx(
        [0.5 - (1 - wilson(20, 20)[0]) / 2] + [0.5 + wilson(0, 20)[1] / 2]
    )


def test_newcombes_interval_is_that_of_its_equation():
    for auc, positives, negatives in ((1.0, 20, 20), (0.0, 5, 50), (0.5, 30, 10), (0.93, 58, 51)):
        ends = newcombe_interval(auc, positives, negatives)
        extra = (positives + negatives) / 2 - 1
        for end in ends:
            if 0 < end < 1:
                spread = 1 + extra * (1 - end) / (2 - end) + extra * end / (1 + end)
                error = math.sqrt(end * (1 - end) * spread / (positives * negatives))
                assert abs(end - auc) == pytest.approx(1.959964 * error, rel=1e-5)
        assert ends[0] < ends[1] and ends[0] <= auc <= ends[1] and (auc in ends) == (auc in (0, 1))
        mirrored = newcombe_interval(1 - auc, positives, negatives)
        np.testing.assert_allclose(mirrored, [1 - ends[1], 1 - ends[0]], atol=1e-9)


def test_carried_wilson_intervals_are_those_of_a_difference():
    """Sensitivity minus false positive rate is 2 of it minus 1: Newcombe 1998b, method 10, 56/70 - 48/80."""
    low, high = carried_wilson("balanced_accuracy", tp=56, fp=48, tn=32, fn=14)
    np.testing.assert_allclose([2 * low - 1, 2 * high - 1], [0.0524, 0.3339], atol=6e-5)


def test_a_calibrated_models_ece_is_not_zero():
    """Its mean and spread are those of labels drawn with the probabilities; a model that is off lies above them."""
    rng = np.random.default_rng(0)
    probabilities = rng.beta(2, 2, 40)
    expected = ece_if_calibrated(probabilities, seed=0)
    eces = [
        METRICS["ece"]((rng.random(40) < probabilities).astype(int), probabilities, np.ones(40)) for _ in range(500)
    ]
    assert expected["value"] == pytest.approx(np.mean(eces), abs=0.01) and expected["value"] > 0.1
    np.testing.assert_allclose(expected["ci95"], np.quantile(eces, [0.025, 0.975]), atol=0.02)
    labels = np.arange(40) % 2
    estimate = estimate_all(labels, 0.5 - 0.45 * (labels - 0.5) + rng.random(40) / 100, seed=0)["ece"]
    assert estimate["if_calibrated"]["ci95"][1] < estimate["value"]


def test_no_interval_leaves_its_estimate_out(monkeypatch):
    """Of any metric, in cohorts of every quality: the ECE, which resampling raises, lay below its own."""
    monkeypatch.setattr(resampling, "RESAMPLES", 300)
    rng = np.random.default_rng(0)
    for n, separation in ((20, 0.3), (20, 1.5), (40, 1.5), (40, 2.5), (100, 1.5)):
        for seed in range(12):
            labels, probabilities = stretched(*draw(rng, n, separation), rng.choice([0.3, 1, 3]))
            for name, estimate in estimate_all(labels, probabilities, seed).items():
                low, high = estimate["ci95"] or (-math.inf, math.inf)
                assert estimate["value"] is None or low - 1e-12 <= estimate["value"] <= high + 1e-12, (name, n, seed)


@pytest.mark.parametrize("stretch", [1, 2])
def test_the_interval_of_the_ece_holds_what_as_many_subjects_have_on_average(stretch, monkeypatch):
    """BCa's held it in 60 to 90 of 100 cohorts; the model's own ECE, 0 where it is calibrated, neither holds."""
    monkeypatch.setattr(resampling, "RESAMPLES", 200)
    separation, count, held = 1.5, 150, 0
    truth = expected_ece(40, separation, stretch, cohorts=1000)
    rng = np.random.default_rng(1)
    for seed in range(count):
        labels, probabilities = stretched(*draw(rng, 40, separation), stretch)
        own = partial(METRICS["ece"], labels, probabilities)
        low, high = bca_intervals(labels, {"ece": own}, seed, centred=["ece"])["ece"]
        held += low <= truth <= high
    assert held / count > 0.95 - 3 * math.sqrt(0.95 * 0.05 / count)


def test_the_auc_within_folds_is_the_mean_of_theirs():
    """And that of one network in all folds, which pooling estimates as well; folds of one label have none."""
    labels, probabilities = sample(n=60, seed=4)
    folds = np.arange(60) // 2 % 3
    found = estimate_within_folds(labels, probabilities, folds)
    areas = [sk.roc_auc_score(labels[folds == fold], probabilities[folds == fold]) for fold in range(3)]
    assert found["value"] == pytest.approx(np.mean(areas)) and found["ci95"][0] < found["value"] < found["ci95"][1]
    shifted = probabilities + folds  # networks on scales of their own
    assert estimate_within_folds(labels, shifted, folds)["ci95"] == pytest.approx(found["ci95"])
    assert METRICS["roc_auc"](labels, shifted, np.ones(60)) < found["value"]
    folds[labels == 0] = 0
    assert estimate_within_folds(labels, probabilities, folds) == {"value": None, "ci95": None}


@pytest.mark.parametrize(
    "name, n", [(name, n) for name in FAST for n in SIZES if name != WITHIN_FOLDS or n == min(SIZES)]
)
def test_intervals_cover(name, n):
    """As `make coverage` measures it, with fewer cohorts: the bounds are wider by three standard errors."""
    count = 200
    shares = [coverage((name, n, truth), count) for truth in TRUTHS]
    error = math.sqrt(0.95 * 0.05 / count)
    assert min(shares) > LOWEST - 3 * error
    assert MEANS[0] - 3 * error / math.sqrt(5) < np.mean(shares) < MEANS[1] + 3 * error / math.sqrt(5)


def test_what_the_simulation_measures_is_what_results_hold():
    labels, probabilities = draw(np.random.default_rng(0), 100, 1.5)
    estimates = estimate_all(labels, probabilities, seed=0)
    assert estimates["roc_auc"]["ci95"] == auc_interval(labels, probabilities)
    assert estimates["accuracy"]["ci95"] == accuracy_interval(labels, probabilities)


def test_estimates_are_quick():
    labels, probabilities = draw(np.random.default_rng(0), 100, 1.5)
    start = time.perf_counter()
    estimate_all(labels, probabilities, seed=0)
    assert time.perf_counter() - start < 1.5
