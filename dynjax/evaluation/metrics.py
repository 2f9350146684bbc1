"""What probabilities are worth. Every metric takes weights of the subjects, so that a bootstrap is one call."""

from collections.abc import Callable
from functools import partial

import numpy as np

from dynjax.evaluation.calibration import calibration_intercept, calibration_slope, ece, log_loss

THRESHOLD = 0.5
PREVALENCES = (10, 30, 50)  # percent; those at which predictive values are stated

# A metric maps labels [N] of 0 and 1, probabilities [N] and weights [..., N] to values [...], NaN where undefined.
Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def confusion(labels, probabilities, weights) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weight of the true positives, false positives, true negatives and false negatives at THRESHOLD, each [...]."""
    positive, called = labels == 1, probabilities >= THRESHOLD
    tp, fp = weights @ (positive & called).astype(float), weights @ (~positive & called).astype(float)
    tn, fn = weights @ (~positive & ~called).astype(float), weights @ (positive & ~called).astype(float)
    return tp, fp, tn, fn


# Metrics that are shares of a number of subjects: (how many, of how many).
PROPORTIONS = {
    "accuracy": lambda tp, fp, tn, fn: (tp + tn, tp + fp + tn + fn),
    "precision": lambda tp, fp, tn, fn: (tp, tp + fp),
    "recall": lambda tp, fp, tn, fn: (tp, tp + fn),
    "specificity": lambda tp, fp, tn, fn: (tn, tn + fp),
}


def f1(tp, fp, tn, fn):
    return _share(2 * tp, 2 * tp + fp + fn)


def balanced_accuracy(tp, fp, tn, fn):
    return (_share(tp, tp + fn) + _share(tn, tn + fp)) / 2


def mcc(tp, fp, tn, fn):
    """Matthews' correlation coefficient."""
    return _share(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def ppv(tp, fp, tn, fn, prevalence: float):
    """Of the subjects called positive, the share that is, where `prevalence` of all are (Bayes)."""
    true, false = prevalence * _share(tp, tp + fn), (1 - prevalence) * _share(fp, fp + tn)
    return _share(true, true + false)


def npv(tp, fp, tn, fn, prevalence: float):
    """Of the subjects called negative, the share that is, where `prevalence` of all are positive."""
    true, false = (1 - prevalence) * _share(tn, tn + fp), prevalence * _share(fn, fn + tp)
    return _share(true, true + false)


# Metrics that follow from the sensitivity, the specificity and the numbers of either label; each rises in both.
TABLES: dict[str, Callable] = {
    "f1": f1,
    "balanced_accuracy": balanced_accuracy,
    "mcc": mcc,
    **{f"ppv_at_{percent}_prevalence": partial(ppv, prevalence=percent / 100) for percent in PREVALENCES},
    **{f"npv_at_{percent}_prevalence": partial(npv, prevalence=percent / 100) for percent in PREVALENCES},
}


def _of_table(name: str) -> Metric:
    if name in PROPORTIONS:
        return lambda *data: _share(*PROPORTIONS[name](*confusion(*data)))
    return lambda *data: TABLES[name](*confusion(*data))


def brier(labels, probabilities, weights):
    return _share(weights @ (probabilities - labels) ** 2, weights.sum(-1))


def roc_auc(labels, probabilities, weights):
    """The probability that a positive scores above a negative, ties counted half (Mann and Whitney)."""
    positive, negative = _by_score(labels, probabilities, weights)
    below = negative.cumsum(-1) - negative
    return _share((positive * (below + negative / 2)).sum(-1), positive.sum(-1) * negative.sum(-1))


def average_precision(labels, probabilities, weights):
    """Precision at each distinct score from the highest on, weighted by the recall that it adds."""
    positive, negative = (array[..., ::-1] for array in _by_score(labels, probabilities, weights))
    found = positive.cumsum(-1)
    precision = np.nan_to_num(_share(found, found + negative.cumsum(-1)))
    return _share((precision * positive).sum(-1), positive.sum(-1))


def sensitivity_at_90_specificity(labels, probabilities, weights):
    """The largest share of the positives above a threshold that at most a tenth of the negatives reach."""
    positive, negative = (array[..., ::-1].cumsum(-1) for array in _by_score(labels, probabilities, weights))
    allowed = negative <= 0.1 * negative[..., -1:] * (1 + 1e-9)
    found = np.where(allowed, positive, 0).max(-1)
    return np.where(negative[..., -1] > 0, _share(found, positive[..., -1]), np.nan)


METRICS: dict[str, Metric] = {
    "accuracy": _of_table("accuracy"),
    "roc_auc": roc_auc,
    "f1": _of_table("f1"),
    "precision": _of_table("precision"),
    "recall": _of_table("recall"),
    "average_precision": average_precision,
    "balanced_accuracy": _of_table("balanced_accuracy"),
    "specificity": _of_table("specificity"),
    "brier": brier,
    "mcc": _of_table("mcc"),
    "log_loss": log_loss,
    "calibration_slope": calibration_slope,
    "calibration_intercept": calibration_intercept,
    "ece": ece,
    "sensitivity_at_90_specificity": sensitivity_at_90_specificity,
    **{name: _of_table(name) for name in TABLES if "_prevalence" in name},
}


def _by_score(labels, probabilities, weights) -> tuple[np.ndarray, np.ndarray]:
    """The weight of the positives and of the negatives at each distinct score, ascending: [..., S] each."""
    order = np.argsort(probabilities, kind="stable")
    scores, labels, weights = probabilities[order], labels[order], weights[..., order]
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    positive, negative = (np.add.reduceat(weights * (labels == label), starts, axis=-1) for label in (1, 0))
    return positive, negative


def _share(part, whole) -> np.ndarray:
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
