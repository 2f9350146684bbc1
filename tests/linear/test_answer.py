"""The linear answer is the solution of its equation, calibrated, and the same at any scale of its features."""

import numpy as np
import pytest
from scipy.special import expit

from dynjax.errors import InputError
from dynjax.linear import answer
from dynjax.linear.answer import PENALTIES, fit_linear, solve
from dynjax.linear.inner import inner_folds


def drawn(scans, size, seed=0, strength=1.0):
    """Features of which the first tells the target, more or less; targets; a subject each."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(scans, size)) * rng.uniform(0.1, 10, size) + rng.normal(size=size)
    told = (features[:, 0] - features[:, 0].mean()) / features[:, 0].std()
    return features, (strength * told + rng.normal(size=scans) > 0).astype(int), [f"s{i}" for i in range(scans)]


def newton(features, targets, penalty):
    """Weights and intercept by Newton's method in all coordinates."""
    scaled = (features - features.mean(0)) / features.std(0) / np.sqrt(features.shape[1])
    design = np.column_stack([scaled, np.ones(len(scaled))])
    ridge = np.diag([penalty] * scaled.shape[1] + [0.0])
    beta = np.zeros(design.shape[1])
    for _ in range(100):
        p = expit(design @ beta)
        gradient = design.T @ (p - targets) + ridge @ beta
        beta -= np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]) + ridge, gradient)
    assert np.abs(gradient).max() < 1e-10
    return beta[:-1], beta[-1]


@pytest.mark.parametrize("penalty", [0.01, *PENALTIES])
@pytest.mark.parametrize("size", [30, 300])
def test_it_is_newtons_solution(size, penalty):
    features, targets, _ = drawn(60, size)
    weights, intercept = newton(features, targets, penalty)
    found = solve(features, targets, penalty)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-6, atol=1e-6 * np.abs(weights).max())
    assert found.intercept == pytest.approx(intercept, rel=1e-6, abs=1e-6)


def test_many_scans_have_the_same_solution(monkeypatch):
    features, targets, subjects = drawn(200, 40)
    few = solve(features, targets, 1.0)
    monkeypatch.setattr(answer, "MOST", 100)
    np.testing.assert_allclose(solve(features, targets, 1.0).weights, few.weights, rtol=1e-3, atol=1e-4)
    assert fit_linear(features, targets, subjects, 0).penalty in PENALTIES


def test_blocks_of_features_are_those_of_all(monkeypatch):
    features, targets, subjects = drawn(50, 70)
    whole = fit_linear(features, targets, subjects, 0)
    monkeypatch.setattr(answer, "BLOCK", 16)
    np.testing.assert_allclose(fit_linear(features, targets, subjects, 0).weights, whole.weights, rtol=1e-4, atol=1e-6)


def test_units_do_not_matter():
    features, targets, subjects = drawn(50, 20)
    before = fit_linear(features, targets, subjects, 0)
    after = fit_linear(features * 1000 - 7, targets, subjects, 0)
    np.testing.assert_allclose(after.logits(features * 1000 - 7), before.logits(features), rtol=1e-4, atol=1e-6)


def test_a_feature_that_is_constant_says_nothing():
    features, targets, subjects = drawn(50, 20)
    features[:, 3] = 5.0
    found = fit_linear(features, targets, subjects, 0)
    other = features.copy()
    other[:, 3] = 1e6
    np.testing.assert_array_equal(found.logits(other), found.logits(features))
    assert np.isfinite(found.weights).all() and found.scale[3] == 0


def test_features_that_are_all_alike_give_the_share():
    targets = np.array([0, 1] * 10 + [0] * 10)
    found = fit_linear(np.ones((30, 8)), targets, [str(i) for i in range(30)], 0)
    assert found.predict_proba(np.ones((1, 8)))[0, 1] == pytest.approx(1 / 3, abs=0.05)


def test_it_is_calibrated_whatever_the_penalty():
    """Tests on new scans of several draws that a sigmoid of the logits needs a slope of about 1."""
    logits, raw, truth = [], [], []
    for seed in range(6):
        features, targets, subjects = drawn(1000, 30, seed)
        logits.append(fit_linear(features[:100], targets[:100], subjects[:100], seed, 10.0).logits(features[100:]))
        raw.append(solve(features[:100], targets[:100], 10.0).logits(features[100:]))
        truth.append(targets[100:])
    calibrated, before = (newton_slope(np.concatenate(each), np.concatenate(truth)) for each in (logits, raw))
    assert 0.8 < calibrated < 1.25 and before > 1.5


def newton_slope(logits, targets):
    design, beta = np.column_stack([logits, np.ones(len(logits))]), np.zeros(2)
    for _ in range(50):
        p = expit(design @ beta)
        beta -= np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]), design.T @ (p - targets))
    return beta[0]


def test_inner_folds_never_part_a_subject():
    rng = np.random.default_rng(0)
    subjects = np.repeat([f"s{i}" for i in range(30)], 3)
    targets = np.repeat(rng.permutation(np.arange(30) % 2), 3)
    folds = inner_folds(targets, subjects, 0)
    assert len(folds) == 5 and sorted(np.concatenate([test for _, test in folds])) == list(range(90))
    assert all(not set(subjects[train]) & set(subjects[test]) for train, test in folds)


def test_a_single_subject_of_a_label_is_said():
    with pytest.raises(InputError, match="a single subject of one label"):
        fit_linear(np.eye(5), np.array([0, 0, 0, 0, 1]), list("abcde"), 0)


def test_it_is_the_same_again_and_another_with_another_seed():
    features, targets, subjects = drawn(60, 100, strength=0.5)
    first, again, other = (fit_linear(features, targets, subjects, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (first.weights != other.weights).any()
