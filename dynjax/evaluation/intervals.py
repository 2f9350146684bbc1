"""Every metric with its 95 % interval: Wilson's for shares of subjects, DeLong's for the AUC, else the bootstrap.

`make coverage` measures how often they hold the truth. An interval is None where it, or the metric, is undefined.
"""

from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtri

from dynjax.evaluation.calibration import BINS, ece_if_calibrated
from dynjax.evaluation.delong import auc_interval
from dynjax.evaluation.metrics import METRICS, PROPORTIONS, TABLES, THRESHOLD, confusion
from dynjax.evaluation.resampling import LEVEL, RESAMPLES, bca_intervals

Estimate = dict[str, Any]  # value: float | None, ci95: [low, high] | None; ece has if_calibrated, another such


def describe_intervals(seed: int) -> dict:
    """What results.json says of how its intervals were made."""
    return {
        "level": LEVEL,
        "proportions": "Wilson (accuracy, precision, recall, specificity)",
        "roc_auc": "DeLong on the logit scale; Newcombe's method 5 where the AUC is 0 or 1",
        "others": "BCa bootstrap over subjects, stratified by label",
        "resamples": RESAMPLES,
        "seed": seed,
        "ece": f"{BINS} bins of equally many subjects; if_calibrated: were every probability true, simulated",
    }


def estimate_all(
    labels: np.ndarray, probabilities: np.ndarray, seed: int, thresholds: np.ndarray | float = THRESHOLD
) -> dict[str, Estimate]:
    """Every metric as {'value': .., 'ci95': [low, high]}, None where it is undefined.

    Args: labels [N] of 0 and 1 and probabilities [N], an entry a subject; seed of the bootstrap; thresholds, one or
      [N], from which on a subject is called positive.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    everyone, calls = np.ones(len(labels)), (probabilities >= thresholds).astype(float)
    statistics = {
        name: partial(metric, labels, calls if name in PROPORTIONS or name in TABLES else probabilities)
        for name, metric in METRICS.items()
    }
    values = {name: float(statistic(everyone)) for name, statistic in statistics.items()}
    defined = [name for name, value in values.items() if np.isfinite(value)]
    resampled = [name for name in defined if name not in PROPORTIONS and name != "roc_auc"]
    statistics = {name: statistics[name] for name in resampled}
    intervals: dict[str, list[float] | None] = dict(bca_intervals(labels, statistics, seed))
    if "roc_auc" in defined:
        intervals["roc_auc"] = auc_interval(labels, probabilities)
    for name in defined:
        if intervals.get(name) is None:
            intervals[name] = _of_counts(name, values[name], labels, calls)
    estimates: dict[str, Estimate] = {
        name: {"value": values[name] if name in defined else None, "ci95": intervals.get(name)} for name in METRICS
    }
    estimates["ece"]["if_calibrated"] = ece_if_calibrated(probabilities, seed)
    return estimates


def wilson(part: float, whole: float) -> list[float]:
    """Wilson's score interval (1927) of part / whole; whole > 0."""
    z = ndtri((1 + LEVEL) / 2)
    share = part / whole
    centre = share + z**2 / (2 * whole)
    half = z * np.sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2))
    return [float(max((centre - half) / (1 + z**2 / whole), 0)), float(min((centre + half) / (1 + z**2 / whole), 1))]


def carried_wilson(name: str, tp: float, fp: float, tn: float, fn: float) -> list[float] | None:
    """The interval of a metric of TABLES from Wilson's limits of sensitivity and specificity, both labels present.

    The method of variance estimates recovery (Zou and Donner, Statistics in Medicine 27, 2008): the distances from the
    metric to its values at either's limit are added as squares.
    """
    positives, negatives = tp + fn, tn + fp
    value, limits = float(TABLES[name](tp, fp, tn, fn)), []
    for end in (0, 1):
        hits, rejections = wilson(tp, positives)[end] * positives, wilson(tn, negatives)[end] * negatives
        moved = TABLES[name](hits, fp, tn, positives - hits), TABLES[name](tp, negatives - rejections, rejections, fn)
        limits.append(value + (2 * end - 1) * float(np.hypot(moved[0] - value, moved[1] - value)))
    lowest = -1 if name == "mcc" else 0
    return np.clip(limits, lowest, 1).tolist() if np.isfinite(limits).all() else None


def _of_counts(name: str, value: float, labels: np.ndarray, calls: np.ndarray) -> list[float] | None:
    """For a proportion, and for a metric that the resamples do not spread, as where nobody is called wrongly."""
    table = [float(count) for count in confusion(labels, calls, np.ones(len(labels)))]
    if name in PROPORTIONS:
        return wilson(*PROPORTIONS[name](*table))
    if name in TABLES and 0 < labels.sum() < len(labels):
        return carried_wilson(name, *table)
    if name in ("average_precision", "sensitivity_at_90_specificity"):  # means over the positives of what is 0 to 1
        return wilson(value * labels.sum(), labels.sum())
    return None
