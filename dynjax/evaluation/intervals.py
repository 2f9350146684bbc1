"""Estimates metrics with 95 % intervals: Wilson's for proportions, DeLong's for AUCs, the bootstrap for the others.

`make coverage` measures how often they contain the true value. An interval is None where it or its metric is undefined.
"""

from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtri

from dynjax.evaluation.calibration import BINS, ece_if_calibrated
from dynjax.evaluation.delong import auc_interval, mean_auc_interval, placements
from dynjax.evaluation.metrics import METRICS, PROPORTIONS, TABLES, THRESHOLD, confusion, whole_folds
from dynjax.evaluation.numbers import refuse_nan
from dynjax.evaluation.resampling import LEVEL, RESAMPLES, bca_intervals

WITHIN_FOLDS = "roc_auc_within_folds"
CENTRED = ("ece",)  # metrics that resampling raises: a subject drawn twice makes its bin look worse calibrated
ECE_INTERVAL = "bootstrap centred at the estimate, for the ECE that as many subjects have on average"
ECE_IF_CALIBRATED = "if_calibrated: were every probability true, simulated, which is how far noise alone raises it"

Estimate = dict[str, Any]  # value: float | None, ci95: [low, high] | None; ece also has if_calibrated, a dict like this


def describe_intervals(seed: int) -> dict:
    """Describes, for results.json, how its intervals are made."""
    return {
        "level": LEVEL,
        "proportions": "Wilson (accuracy, precision, recall, specificity)",
        "roc_auc": "DeLong on the logit scale; Newcombe's method 5 where the AUC is 0 or 1",
        WITHIN_FOLDS: "the same, of the mean of the folds' AUCs",
        "others": "BCa bootstrap over subjects, stratified by label",
        "resamples": RESAMPLES,
        "seed": seed,
        "ece": f"{BINS} bins of equally many subjects; {ECE_INTERVAL}; {ECE_IF_CALIBRATED}",
    }


def estimate_all(
    labels: np.ndarray, probabilities: np.ndarray, seed: int, thresholds: np.ndarray | float = THRESHOLD
) -> dict[str, Estimate]:
    """Estimates every metric as {'value': .., 'ci95': [low, high]}, each None where it is undefined.

    Args: labels [N] of 0 and 1 and probabilities [N], one per subject; seed of the bootstrap; thresholds, one number or
      [N], from which a subject is called positive.
    Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, probabilities=probabilities, thresholds=thresholds)
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    calls = (probabilities >= thresholds).astype(float)  # [N]
    statistics = {}
    for name, metric in METRICS.items():
        uses_calls = name in PROPORTIONS or name in TABLES
        statistics[name] = partial(metric, labels, calls if uses_calls else probabilities)
    values = {name: float(statistic(np.ones(len(labels)))) for name, statistic in statistics.items()}
    defined = {name: value for name, value in values.items() if np.isfinite(value)}
    resampled = {name: statistics[name] for name in defined if name not in PROPORTIONS and name != "roc_auc"}
    intervals: dict[str, list[float] | None] = dict(bca_intervals(labels, resampled, seed, CENTRED))
    if "roc_auc" in defined:
        intervals["roc_auc"] = auc_interval(labels, probabilities)
    for name, value in defined.items():
        if intervals.get(name) is None:
            intervals[name] = _interval_from_counts(name, value, labels, calls)
    estimates: dict[str, Estimate] = {
        name: {"value": defined.get(name), "ci95": intervals.get(name)} for name in METRICS
    }
    estimates["ece"]["if_calibrated"] = ece_if_calibrated(probabilities, seed)
    return estimates


def estimate_within_folds(labels: np.ndarray, probabilities: np.ndarray, folds: np.ndarray) -> Estimate:
    """Estimates the mean over the folds of the AUC within each, which compares no scores of different networks.

    Folds whose subjects are all of one label have no AUC and are left out; the value is None unless two are left.

    Args: labels [N] of 0 and 1, probabilities [N] and fold [N] of each subject. Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, probabilities=probabilities, folds=folds)
    parts = [placements(labels[own], probabilities[own]) for own in whole_folds(labels, folds)]
    if len(parts) < 2:
        return {"value": None, "ci95": None}
    return {"value": float(np.mean([above.mean() for above, _ in parts])), "ci95": mean_auc_interval(parts)}


def wilson(part: float, whole: float) -> list[float]:
    """Returns Wilson's score interval (1927) of part / whole, for whole > 0. Raises: ValueError for NaN."""
    refuse_nan(counts=(part, whole))
    z = ndtri((1 + LEVEL) / 2)
    share = part / whole
    centre = share + z**2 / (2 * whole)
    half = z * np.sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2))
    scale = 1 + z**2 / whole
    return [float(max((centre - half) / scale, 0)), float(min((centre + half) / scale, 1))]


def carried_wilson(name: str, tp: float, fp: float, tn: float, fn: float) -> list[float] | None:
    """Returns the interval of a metric of TABLES, from Wilson's limits of sensitivity and specificity.

    This is the method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008): the metric is
    computed with either at its limit, and its distances from the estimate are added as squares. Both labels must be
    present. None where a limit is undefined.
    """
    positives, negatives = tp + fn, tn + fp
    metric = TABLES[name]
    value = float(metric(tp, fp, tn, fn))
    limits = []
    for end, sign in ((0, -1), (1, 1)):  # the lower limit, then the upper
        hits, rejections = wilson(tp, positives)[end] * positives, wilson(tn, negatives)[end] * negatives
        by_sensitivity = metric(hits, fp, tn, positives - hits) - value
        by_specificity = metric(tp, negatives - rejections, rejections, fn) - value
        limits.append(value + sign * float(np.hypot(by_sensitivity, by_specificity)))
    lowest = -1 if name == "mcc" else 0
    return np.clip(limits, lowest, 1).tolist() if np.isfinite(limits).all() else None


def _interval_from_counts(name: str, value: float, labels: np.ndarray, calls: np.ndarray) -> list[float] | None:
    """Returns the interval of a proportion, or of a metric that is equal in all resamples.

    The latter occurs where no subject is misclassified, for example. None where the counts give no interval.
    """
    table = [float(count) for count in confusion(labels, calls, np.ones(len(labels)))]
    if name in PROPORTIONS:
        return wilson(*PROPORTIONS[name](*table))
    if name in TABLES and 0 < labels.sum() < len(labels):
        return carried_wilson(name, *table)
    if name in (
        "average_precision",
        "sensitivity_at_90_specificity",
    ):  # means of 0 to 1 over the positives
        return wilson(value * labels.sum(), labels.sum())
    return None
