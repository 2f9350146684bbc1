"""Estimates from repeated cross-validation, each repeat with its own folds and seed: spread of repeats and subjects."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dynjax.evaluation.intervals import CENTRED, ECE_INTERVAL, WITHIN_FOLDS
from dynjax.evaluation.metrics import METRICS, PROPORTIONS, TABLES, roc_auc_within_folds
from dynjax.evaluation.numbers import refuse_nan
from dynjax.evaluation.resampling import LEVEL, RESAMPLES, bca_intervals

NAMES = (*METRICS, WITHIN_FOLDS)


class Repeat(NamedTuple):
    """One repeat's probabilities, thresholds and folds [N], one per subject, in the same order in every repeat."""

    probabilities: np.ndarray
    thresholds: np.ndarray
    folds: np.ndarray


def describe_repeats(count: int, seed: int) -> dict:
    """Describes, for results.json, how `estimate_repeats` makes its numbers."""
    return {
        "level": LEVEL,
        "value": f"the mean over {count} repeats",
        "ci95": "between subjects: BCa bootstrap of that mean over subjects, stratified by label",
        "ece": ECE_INTERVAL,
        "repeat_sd": "between repeats: the standard deviation of the repeats' values, of other folds and other seeds",
        "resamples": RESAMPLES,
        "seed": seed,
    }


def estimate_repeats(labels: np.ndarray, repeats: Sequence[Repeat], seed: int) -> dict[str, dict[str, Any]]:
    """Estimates every metric as {'value', 'ci95', 'repeat_sd', 'repeats'}; None where it is undefined in a repeat.

    value is the mean over the repeats and repeat_sd their standard deviation; ci95 covers the sampling of subjects.

    Args: labels [N] of 0 and 1, one per subject; at least two repeats; seed of the bootstrap.
    Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, probabilities=[each.probabilities for each in repeats])
    refuse_nan(thresholds=[each.thresholds for each in repeats])
    everyone = np.ones(len(labels))
    values = {name: [float(_value(name, labels, each, everyone)) for each in repeats] for name in NAMES}
    defined = [name for name in NAMES if np.isfinite(values[name]).all()]

    def mean_of(name: str):
        return lambda weights: np.mean([_value(name, labels, each, weights) for each in repeats], axis=0)

    intervals = bca_intervals(labels, {name: mean_of(name) for name in defined}, seed, CENTRED)
    return {
        name: {
            "value": float(np.mean(values[name])) if name in defined else None,
            "ci95": intervals.get(name),
            "repeat_sd": float(np.std(values[name], ddof=1)) if name in defined else None,
            "repeats": [value if np.isfinite(value) else None for value in values[name]],
        }
        for name in NAMES
    }


def _value(name: str, labels: np.ndarray, repeat: Repeat, weights: np.ndarray) -> np.ndarray:
    """Returns a metric's values [...] in one repeat under weights [..., N]."""
    if name in PROPORTIONS or name in TABLES:  # metrics of calls, made by each subject's own threshold
        return METRICS[name](labels, (repeat.probabilities >= repeat.thresholds).astype(float), weights)
    if name == WITHIN_FOLDS:
        return roc_auc_within_folds(labels, repeat.probabilities, weights, repeat.folds)
    return METRICS[name](labels, repeat.probabilities, weights)
