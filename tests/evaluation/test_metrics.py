"""Metrics against scikit-learn's, intervals against published examples and simulation."""

import numpy as np
import pytest
from sklearn import metrics as sk

from dynjax.evaluation.intervals import estimate_all, wilson
from dynjax.evaluation.metrics import METRICS
from dynjax.evaluation.predictions import Prediction, by_subject, write_predictions

REFERENCE = {
    "accuracy": lambda y, p, w: sk.accuracy_score(y, p >= 0.5, sample_weight=w),
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    "f1": lambda y, p, w: sk.f1_score(y, p >= 0.5, sample_weight=w),
    "precision": lambda y, p, w: sk.precision_score(y, p >= 0.5, sample_weight=w),
    "recall": lambda y, p, w: sk.recall_score(y, p >= 0.5, sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
    "balanced_accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, p >= 0.5, sample_weight=w),
    "specificity": lambda y, p, w: sk.recall_score(1 - y, p < 0.5, sample_weight=w),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
}


def sample(n=60, seed=0, digits=2):
    """Labels and probabilities with ties."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    return labels, np.round(np.clip(0.5 + 0.2 * (labels - 0.5) + rng.normal(0, 0.2, n), 0, 1), digits)


def test_all_metrics_are_here():
    assert list(METRICS) == list(REFERENCE)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("digits", [1, 6])
def test_metrics_are_scikit_learns(name, digits):
    """Plainly, and with the weights of a bootstrap, several at a time."""
    labels, probabilities = sample(digits=digits)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), 5).astype(float)
    weights = np.concatenate([np.ones((1, 60)), weights])
    expected = [REFERENCE[name](labels, probabilities, w) for w in weights]
    np.testing.assert_allclose(METRICS[name](labels, probabilities, weights), expected, rtol=1e-10)


def test_undefined_values_are_none():
    estimates = estimate_all(np.array([1, 1, 1]), np.array([0.2, 0.1, 0.3]), seed=0)
    assert estimates["roc_auc"] == {"value": None, "ci95": None}
    assert estimates["precision"] == {"value": None, "ci95": None}
    assert estimates["recall"]["value"] == 0 and estimates["specificity"]["value"] is None


def test_wilson_intervals_are_the_published_ones():
    """Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for part, whole, expected in (
        (81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0, 0.1611)), (1, 29, (0.0061, 0.1718)),
    ):  # fmt: skip
        np.testing.assert_allclose(wilson(part, whole), expected, atol=6e-5)


def test_estimates_hold_their_value_and_follow_the_seed():
    labels, probabilities = sample()
    estimates = estimate_all(labels, probabilities, seed=0)
    for name, estimate in estimates.items():
        low, high = estimate["ci95"]
        assert low < estimate["value"] < high, name
    assert estimates == estimate_all(labels, probabilities, seed=0) != estimate_all(labels, probabilities, seed=1)


def test_bootstrap_interval_of_the_auc_covers():
    """Of 150 cohorts of 100 whose true AUC is 0.80, about 95 % of the intervals hold it."""
    rng = np.random.default_rng(0)
    distance = np.sqrt(2) * 0.8416212
    labels = np.arange(100) % 2
    held = 0
    for _ in range(150):
        scores = 1 / (1 + np.exp(-(rng.normal(size=100) + distance * labels)))
        low, high = estimate_all(labels, scores, seed=0)["roc_auc"]["ci95"]
        held += low <= 0.8 <= high
    assert 0.90 <= held / 150 <= 0.99


def test_a_subjects_scans_count_once():
    rows = [Prediction("a", "1", 0, "CN", 0.2), Prediction("b", "1", 1, "AD", 0.9), Prediction("a", "2", 0, "CN", 0.4)]
    folds, labels, probabilities = by_subject(rows, "AD")
    assert folds.tolist() == [0, 1] and labels.tolist() == [0, 1]
    np.testing.assert_allclose(probabilities, [0.3, 0.9])


def test_predictions_bring_float32_back(tmp_path):
    values = np.random.default_rng(0).random(50, np.float32)
    write_predictions(tmp_path / "p.csv", [Prediction("s", str(i), 0, "CN", float(v)) for i, v in enumerate(values)])
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "subject,session,fold,label,probability"
    assert (np.array([line.split(",")[-1] for line in lines[1:]], np.float32) == values).all()
