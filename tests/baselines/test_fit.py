"""Baselines in cross-validation: nothing of a fold reaches what answers it, and the answers are right."""

import numpy as np
import pytest
from scipy.special import logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

from dynjax.baselines.features import BASELINES, KERNELS
from dynjax.baselines.fit import cross_validate
from dynjax.linear.answer import fit_linear
from dynjax.linear.inner import LEAST_SLOPE, fit_sigmoid

N, FOLDS = 40, 4


def world(name, signal=2.0, seed=0):
    """Values of a baseline that carry a signal, its targets, folds and subjects, two scans each; and its voxels."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(N // 2) % 2, 2)
    voxels = rng.normal(0, 1, (N, 300)) + 5
    voxels[:, :20] += signal * targets[:, None]
    ages, sexes = 70 + 10 * signal * targets + rng.normal(0, 5, N), rng.choice(["F", "M"], N)
    values = {
        **dict.fromkeys(KERNELS, voxels @ voxels.T),
        "embedding": voxels[:, :8],
        "age_sex": np.array(list(zip(ages, sexes)), object),
    }.get(name, (1000 + 50 * signal * targets + rng.normal(0, 40, N))[:, None])
    folds = np.repeat(np.arange(N // 2) // 2 % FOLDS, 2)
    return values, targets, folds, [f"s{i // 2}" for i in range(N)], voxels


@pytest.mark.parametrize("name", BASELINES)
def test_a_signal_is_found_and_probabilities_are_probabilities(name):
    values, targets, folds, subjects, _ = world(name)
    answers = cross_validate(name, values, targets, folds, subjects, seed=0)
    assert roc_auc_score(targets, answers.probabilities) > 0.9
    assert (answers.probabilities > 0).all() and (answers.probabilities < 1).all()
    assert ((answers.probabilities > 0.5) == targets).mean() > 0.8
    assert list(answers.seconds) == [0, 1, 2, 3] and min(answers.seconds.values()) > 0
    again = cross_validate(name, values, targets, folds, subjects, seed=0)
    assert (again.probabilities == answers.probabilities).all()


@pytest.mark.parametrize("name", BASELINES)
def test_a_scans_answer_depends_on_no_other_scan_of_its_fold(name):
    """Values and labels of the rest of the fold are replaced: the answer to its first scan stays bit for bit."""
    values, targets, folds, subjects, voxels = world(name)
    rest = np.flatnonzero(folds == 2)[1:]
    changed, labels = values.copy(), targets.copy()
    labels[rest] = 1 - labels[rest]
    if name in KERNELS:
        voxels = voxels.copy()
        voxels[rest] = 1000.0
        changed[rest], changed[:, rest] = voxels[rest] @ voxels.T, voxels @ voxels[rest].T
    else:
        changed[rest, 0] = 10**6
    before = cross_validate(name, values, targets, folds, subjects, seed=0).probabilities
    after = cross_validate(name, changed, labels, folds, subjects, seed=0).probabilities
    first = np.flatnonzero(folds == 2)[0]
    assert after[first] == before[first] and (after[folds != 2] != before[folds != 2]).any()


def test_the_svm_is_a_linear_one_on_centred_and_scaled_voxels():
    """Its logits rise linearly with the decision values of an SVM that is given the voxels themselves."""
    values, targets, folds, subjects, voxels = world("svm_voxels", signal=0.3)
    answers = cross_validate("svm_voxels", values, targets, folds, subjects, seed=0).probabilities
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        mean = voxels[train].mean(0)
        scale = np.sqrt(((voxels[train] - mean) ** 2).sum(1).mean())
        scaled = (voxels - mean) / scale
        scores = SVC(kernel="linear").fit(scaled[train], targets[train]).decision_function(scaled[test])
        slope, intercept = np.polyfit(scores, logit(answers[test]), 1)
        assert logit(answers[test]) == pytest.approx(slope * scores + intercept, abs=1e-3 * slope) and slope > 0


def test_the_sigmoid_is_platts_unless_it_falls():
    """Against scikit-learn's own, on decision values of overlapping classes and on the same turned round."""
    rng = np.random.default_rng(0)
    targets = np.arange(200) % 2
    decisions = targets + rng.normal(0, 1, 200)
    model = LogisticRegression().fit(decisions[:, None], targets)
    frozen = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid", cv=2).fit(decisions[:, None], targets)
    theirs = np.mean([each.calibrators[0].a_ for each in frozen.calibrated_classifiers_])
    slope, _ = fit_sigmoid(model.decision_function(decisions[:, None]), targets)
    assert slope == pytest.approx(-theirs, rel=1e-3)
    assert fit_sigmoid(-decisions, targets)[0] == LEAST_SLOPE


def test_scans_that_are_all_alike_have_the_same_answer():
    """Tests that what rounding leaves of a kernel, as of masks that are all alike, is not blown up."""
    _, targets, folds, subjects, _ = world("svm_mask")
    lengths = np.sqrt(np.full(N, 7.0))
    kernel = np.full((N, N), 7.0) / np.outer(lengths, lengths) + np.random.default_rng(0).normal(0, 1e-16, (N, N))
    answers = cross_validate("svm_mask", kernel, targets, folds, subjects, seed=0).probabilities
    for fold in range(FOLDS):
        assert np.ptp(answers[folds == fold]) < 1e-3
    assert answers == pytest.approx(0.5, abs=0.2)


def test_an_embeddings_answer_is_the_linear_one_fold_by_fold():
    values, targets, folds, subjects, _ = world("embedding", signal=0.5)
    answers = cross_validate("embedding", values, targets, folds, subjects, seed=3)
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        model = fit_linear(values[train], targets[train], np.array(subjects)[train], seed=3)
        assert (answers.probabilities[test] == model.predict_proba(values[test])[:, 1]).all()
        assert answers.penalties[fold] == model.penalty
    assert set(cross_validate("brain_volume", *world("brain_volume")[:4], seed=0).penalties.values()) == {None}


def test_a_sex_that_no_training_subject_has():
    values, targets, folds, subjects, _ = world("age_sex")
    values[0, 1] = "X"
    assert np.isfinite(cross_validate("age_sex", values, targets, folds, subjects, seed=0).probabilities).all()
