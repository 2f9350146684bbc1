"""The classifier by which `make noise` measures how far fair AUCs spread."""

import numpy as np

from benchmarks.noise import cross_validated


def test_a_fold_is_answered_by_the_others_alone():
    rng = np.random.default_rng(0)
    labels, folds = np.arange(40) % 2, np.arange(40) // 2 % 4
    rows = rng.normal(size=(40, 300)) + labels[:, None]
    answers = cross_validated(rows @ rows.T, labels, folds)
    assert (answers[labels == 1].min() > answers[labels == 0].max()) and np.isfinite(answers).all()
    changed = np.where(folds == 2, 1 - labels, labels)
    own = folds == 2
    again = cross_validated(rows @ rows.T, changed, folds)
    np.testing.assert_array_equal(again[own], answers[own])
    assert not np.allclose(again[~own], answers[~own])
