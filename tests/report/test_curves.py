"""Curves against scikit-learn's and against the metrics that they are drawn for; bands against a plain loop."""

import numpy as np
import pytest
from sklearn import metrics as sk

from dynjax.evaluation.metrics import METRICS
from dynjax.evaluation.resampling import resamples
from dynjax.report.curves import GRID, precision_recall_curve, reliability, roc_curve, roc_points


def subjects(seed=0, n=40, digits=2):
    """Labels and probabilities, with ties where they have few digits."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3 == 0).astype(int)
    return labels, np.clip(0.4 + 0.2 * labels + 0.2 * rng.normal(size=n), 0, 1).round(digits)


@pytest.mark.parametrize("digits", (1, 8))
@pytest.mark.parametrize("seed", range(3))
def test_areas_are_the_metrics(seed, digits):
    labels, probabilities = subjects(seed, digits=digits)
    everyone = np.ones(len(labels))
    x, y = roc_points(labels, probabilities)
    false, true, _ = sk.roc_curve(labels, probabilities, drop_intermediate=False)
    np.testing.assert_allclose([x, y], [false, true], atol=1e-12)
    assert np.trapezoid(y, x) == pytest.approx(METRICS["roc_auc"](labels, probabilities, everyone))
    curve = precision_recall_curve(labels, probabilities, seed)
    area = (np.diff(curve.x) * curve.y[1:]).sum()
    assert area == pytest.approx(sk.average_precision_score(labels, probabilities)) and curve.x[-1] == 1


def test_bands_are_quantiles_over_resamples_of_the_subjects(monkeypatch):
    monkeypatch.setattr("dynjax.evaluation.resampling.RESAMPLES", 200)
    labels, probabilities = subjects(digits=1)
    weights = np.concatenate(list(resamples(labels, 5)))
    sensitivity, precision = [], []
    for row in weights:
        drawn = np.repeat(np.arange(len(labels)), row.astype(int))
        false, true, _ = sk.roc_curve(labels[drawn], probabilities[drawn], drop_intermediate=False)
        sensitivity.append(np.interp(0.3, false, true))
        found, recall, _ = sk.precision_recall_curve(labels[drawn], probabilities[drawn])
        precision.append(found[recall >= 0.6 - 1e-9][-1])
    roc, both = roc_curve(labels, probabilities, 5), precision_recall_curve(labels, probabilities, 5)
    at_30, at_60 = (np.argmin(np.abs(GRID - at)) for at in (0.3, 0.6))
    assert [roc.low[at_30], roc.high[at_30]] == pytest.approx(np.quantile(sensitivity, [0.025, 0.975]))
    assert [both.low[at_60], both.high[at_60]] == pytest.approx(np.quantile(precision, [0.025, 0.975]))
    assert (roc.low <= roc.high).all() and roc.low[at_30] < roc.high[at_30]


@pytest.mark.parametrize("digits", (0, 1, 8))
def test_bins_are_those_of_the_expected_calibration_error(digits):
    labels, probabilities = subjects(digits=digits)
    bins = reliability(labels, probabilities)
    error = (np.abs(bins.observed - bins.predicted) * bins.counts).sum() / bins.counts.sum()
    assert error == pytest.approx(METRICS["ece"](labels, probabilities, np.ones(len(labels))))
    assert (
        bins.counts.sum() == 40
        and (bins.low <= bins.observed + 1e-9).all()
        and (bins.observed <= bins.high + 1e-9).all()
    )


@pytest.mark.parametrize("curve", [roc_points, reliability, roc_curve, precision_recall_curve])
@pytest.mark.parametrize("spoiled", [0, 1])
def test_nothing_is_drawn_of_a_nan(curve, spoiled):
    arrays = [array.astype(float) for array in subjects()]
    arrays[spoiled][3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        curve(*arrays) if curve in (roc_points, reliability) else curve(*arrays, 0)
