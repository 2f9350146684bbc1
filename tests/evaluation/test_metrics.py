"""Metrics against scikit-learn's, and predictions by subject."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from dynjax.errors import InputError
from dynjax.evaluation.calibration import FLOOR
from dynjax.evaluation.intervals import estimate_all
from dynjax.evaluation.metrics import METRICS
from dynjax.evaluation.predictions import Prediction, by_subject, read_predictions, write_predictions
from dynjax.report.wording import METRIC_NAMES


def clipped(p):
    return np.clip(p, FLOOR, 1 - FLOOR)


def predictive_value(label, prevalence):
    """Precision where the subjects are weighted so that `prevalence` of them are positive."""

    def value(y, p, w):
        w = w * np.where(y == 1, prevalence / w[y == 1].sum(), (1 - prevalence) / w[y == 0].sum())
        return sk.precision_score(y, p >= 0.5, sample_weight=w, pos_label=label)

    return value


def sensitivity_at_90_specificity(y, p, w):
    false_positives, sensitivity, _ = sk.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    return sensitivity[false_positives <= 0.1 + 1e-12].max()


def recalibrated_slope(y, p, w):
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    return fit.fit(logit(clipped(p))[:, None], y, sample_weight=w).coef_[0, 0]


def recalibrated_intercept(y, p, w):
    """By bisection: where the expected number of positives is the observed one."""
    low, high = -30.0, 30.0
    for _ in range(100):
        middle = (low + high) / 2
        too_low = (w / (1 + np.exp(-middle - logit(clipped(p))))).sum() < w[y == 1].sum()
        low, high = (middle, high) if too_low else (low, middle)
    return low


def ece_by_loop(y, p, w):
    """Ten bins over the ranks of all subjects, however a resample weights them."""
    ranks = np.array([(p < each).sum() + ((p == each).sum() + 1) / 2 for each in p])
    total = 0.0
    for low in range(10):
        inside = (ranks > low * len(p) / 10) & (ranks <= (low + 1) * len(p) / 10)
        if w[inside].sum():
            gap = np.average(y[inside], weights=w[inside]) - np.average(p[inside], weights=w[inside])
            total += w[inside].sum() / w.sum() * abs(gap)
    return total


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
    "mcc": lambda y, p, w: sk.matthews_corrcoef(y, p >= 0.5, sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, clipped(p), sample_weight=w),
    "calibration_slope": recalibrated_slope,
    "calibration_intercept": recalibrated_intercept,
    "ece": ece_by_loop,
    "sensitivity_at_90_specificity": sensitivity_at_90_specificity,
    "ppv_at_10_prevalence": predictive_value(1, 0.1),
    "ppv_at_30_prevalence": predictive_value(1, 0.3),
    "ppv_at_50_prevalence": predictive_value(1, 0.5),
    "npv_at_10_prevalence": predictive_value(0, 0.1),
    "npv_at_30_prevalence": predictive_value(0, 0.3),
    "npv_at_50_prevalence": predictive_value(0, 0.5),
}


def sample(n=60, seed=0, digits=2):
    """Labels and probabilities with ties."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    return labels, np.round(np.clip(0.5 + 0.2 * (labels - 0.5) + rng.normal(0, 0.2, n), 0, 1), digits)


def test_all_metrics_are_here():
    assert list(METRICS) == list(REFERENCE) == list(METRIC_NAMES)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("digits", [1, 6])
def test_metrics_are_scikit_learns(name, digits):
    """Plainly, and with the weights of a bootstrap, several at a time."""
    labels, probabilities = sample(digits=digits)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), 5).astype(float)
    weights = np.concatenate([np.ones((1, 60)), weights])
    expected = [REFERENCE[name](labels, probabilities, w) for w in weights]
    np.testing.assert_allclose(
        METRICS[name](labels, probabilities, weights), expected, rtol=1e-6 if "slope" in name else 1e-10
    )


@pytest.mark.parametrize("negatives, found", [(10, 1), (19, 0.5), (20, 1)])
def test_a_specificity_of_90_percent_is_that_or_more(negatives, found):
    """The lower of two positives lies below 1 of 10 negatives or 2 of 20, as is allowed, or 2 of 19, as is not."""
    below = [1.5, 1.5 if negatives == 10 else 2.5]
    probabilities = 1 - np.concatenate([np.arange(1, negatives + 1), below]) / 100
    labels = np.repeat((0, 1), (negatives, 2))
    value = METRICS["sensitivity_at_90_specificity"](labels, probabilities, np.ones(negatives + 2))
    assert value == found


def test_calibration_is_found_again():
    """Of 40,000 subjects whose log odds were stretched by 2 or shifted by 0.5, or were made 0 and 1."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=40_000)
    labels = (rng.random(40_000) < 1 / (1 + np.exp(-truth))).astype(int)
    everyone = np.ones(40_000)
    stretched, shifted = 1 / (1 + np.exp(-2 * truth)), 1 / (1 + np.exp(-truth - 0.5))
    assert METRICS["calibration_slope"](labels, stretched, everyone) == pytest.approx(0.5, abs=0.02)
    assert METRICS["calibration_intercept"](labels, shifted, everyone) == pytest.approx(-0.5, abs=0.03)
    certain = np.where(truth > 0, 1.0, 0.0)
    wrong = np.mean(labels != certain)
    assert METRICS["log_loss"](labels, certain, everyone) == pytest.approx(-wrong * np.log(FLOOR), rel=1e-4)
    assert METRICS["calibration_slope"](labels, certain, everyone) == pytest.approx(logit(1 - wrong) / 15.94, rel=0.05)


def test_a_slope_without_a_value():
    """Infinite where the probabilities separate the labels, by a tie too; undefined where they are all one."""
    labels, weights = np.array([0, 0, 1, 1]), np.array([[1, 1, 1, 1], [2, 1, 0, 1.0], [1, 1, 0, 0]])
    slope = METRICS["calibration_slope"]
    np.testing.assert_equal(slope(labels, np.array([0.1, 0.4, 0.4, 0.9]), weights)[:2], [np.inf, np.inf])
    np.testing.assert_equal(slope(labels, np.array([0.9, 0.4, 0.2, 0.1]), weights[:1]), [-np.inf])
    assert np.isnan(slope(labels, np.full(4, 0.3), weights)).all()
    assert np.isnan(METRICS["calibration_intercept"](labels, np.full(4, 0.3), weights)[2])


def test_a_slope_that_newtons_method_does_not_find_is_undefined():
    """Where the probabilities separate nearly all labels, steps go to and fro; null in results.json, not their last."""
    labels = np.repeat((0, 1), 4)
    probabilities = expit(np.array([-5.46, -3.83, -1.56, 0.79, 0.77, 1.06, 1.22, 4.74]))
    slope = METRICS["calibration_slope"]
    assert np.isnan(slope(labels, probabilities, np.ones(8)))
    assert estimate_all(labels, probabilities, 0)["calibration_slope"] == {"value": None, "ci95": None}
    near, both = expit(np.array([-9, 1e-4, 0, 9.0])), np.array([[1, 1, 1, 1], [1, 1e-9, 1, 1]])
    np.testing.assert_equal(np.isnan(slope(np.array([0, 0, 1, 1]), near, both)), [False, True])


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


def test_predictions_are_read_back_and_damage_is_named(tmp_path):
    rows = [Prediction("a,b", "1", 0, "CN", 0.25), Prediction("ü", "", 3, "AD", 1.0)]
    write_predictions(tmp_path / "p.csv", rows)
    assert read_predictions(tmp_path / "p.csv") == rows
    whole = (tmp_path / "p.csv").read_text()
    for text in ("subject\n1\n", whole.replace("0.25", "nan"), whole.replace(",3,", ",x,"), whole + "c,1\n"):
        (tmp_path / "p.csv").write_text(text)
        with pytest.raises(InputError, match="damaged"):
            read_predictions(tmp_path / "p.csv")
    with pytest.raises(InputError, match="no such file"):
        read_predictions(tmp_path / "none.csv")
