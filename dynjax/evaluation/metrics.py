"""Metrics of predicted probabilities. Each takes a weight per subject, so that one call evaluates a whole bootstrap."""

from collections.abc import Callable
from functools import partial

import numpy as np

from dynjax.evaluation.calibration import calibration_intercept, calibration_slope, ece, log_loss
from dynjax.evaluation.numbers import refuse_nan

THRESHOLD = 0.5
PREVALENCES = (10, 30, 50)  # percent, at which predictive values are stated

# A metric maps labels [N] of 0 and 1, probabilities [N] and weights [..., N] to values [...], NaN where undefined. It
# raises ValueError if a label or a probability is NaN.
Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def confusion(labels, probabilities, weights) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the weight of true positives, false positives, true negatives and false negatives, each [...].

    Subjects are called positive from a probability of THRESHOLD on. Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, probabilities=probabilities)
    positive, called = labels == 1, probabilities >= THRESHOLD  # [N]
    tp = weights @ (positive & called).astype(float)  # [...]
    fp = weights @ (~positive & called).astype(float)
    tn = weights @ (~positive & ~called).astype(float)
    fn = weights @ (positive & ~called).astype(float)
    return tp, fp, tn, fn


# Metrics that are proportions of subjects: (numerator, denominator).
PROPORTIONS = {
    "accuracy": lambda tp, fp, tn, fn: (tp + tn, tp + fp + tn + fn),
    "precision": lambda tp, fp, tn, fn: (tp, tp + fp),
    "recall": lambda tp, fp, tn, fn: (tp, tp + fn),
    "specificity": lambda tp, fp, tn, fn: (tn, tn + fp),
}


def f1(tp, fp, tn, fn):
    """Returns the harmonic mean of precision and recall."""
    return _ratio(2 * tp, 2 * tp + fp + fn)


def balanced_accuracy(tp, fp, tn, fn):
    """Returns the mean of sensitivity and specificity."""
    return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2


def mcc(tp, fp, tn, fn):
    """Returns Matthews' correlation coefficient."""
    return _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def ppv(tp, fp, tn, fn, prevalence: float):
    """Returns the positive predictive value at a given prevalence of positives, by Bayes' theorem."""
    true, false = prevalence * _ratio(tp, tp + fn), (1 - prevalence) * _ratio(fp, fp + tn)
    return _ratio(true, true + false)


def npv(tp, fp, tn, fn, prevalence: float):
    """Returns the negative predictive value at a given prevalence of positives, by Bayes' theorem."""
    true, false = (1 - prevalence) * _ratio(tn, tn + fp), prevalence * _ratio(fn, fn + tp)
    return _ratio(true, true + false)


def average_precision_of_calls(tp, fp, tn, fn):
    """Returns the average precision of the classes that subjects are called, in place of their probabilities."""
    of_called, of_all = _ratio(tp, tp + fp), _ratio(tp + fn, tp + fp + tn + fn)
    return np.nan_to_num(of_called) * _ratio(tp, tp + fn) + of_all * _ratio(fn, tp + fn)


# Metrics that depend only on sensitivity, specificity and the number of subjects of each label; each rises with both.
TABLES: dict[str, Callable] = {
    "f1": f1,
    "balanced_accuracy": balanced_accuracy,
    "mcc": mcc,
    "average_precision_of_calls": average_precision_of_calls,
    **{f"ppv_at_{percent}_prevalence": partial(ppv, prevalence=percent / 100) for percent in PREVALENCES},
    **{f"npv_at_{percent}_prevalence": partial(npv, prevalence=percent / 100) for percent in PREVALENCES},
}


def _from_confusion(name: str) -> Metric:
    """Returns an entry of PROPORTIONS or TABLES as a metric of labels, probabilities and weights."""
    if name in PROPORTIONS:
        return lambda *data: _ratio(*PROPORTIONS[name](*confusion(*data)))
    return lambda *data: TABLES[name](*confusion(*data))


def brier(labels, probabilities, weights):
    """Returns the Brier score: the mean squared difference between probability and label."""
    refuse_nan(labels=labels, probabilities=probabilities)
    return _ratio(weights @ (probabilities - labels) ** 2, weights.sum(-1))


def roc_auc(labels, probabilities, weights):
    """Returns the probability that a positive scores above a negative, ties counted half (Mann and Whitney)."""
    positive, negative = _by_score(labels, probabilities, weights)  # each [..., S]
    below = negative.cumsum(-1) - negative  # weight of the negatives with a lower score
    return _ratio((positive * (below + negative / 2)).sum(-1), positive.sum(-1) * negative.sum(-1))


def whole_folds(labels: np.ndarray, folds: np.ndarray) -> list[np.ndarray]:
    """Returns the members, bool [N], of each fold that has subjects of both labels."""
    members = [folds == fold for fold in np.unique(folds)]
    return [own for own in members if len(np.unique(labels[own])) == 2]


def roc_auc_within_folds(labels, probabilities, weights, folds):
    """Returns the mean over the folds of the AUC within each; NaN unless two folds have both labels, with weight."""
    refuse_nan(labels=labels, folds=folds)
    whole = whole_folds(labels, folds)
    areas = [roc_auc(labels[own], probabilities[own], weights[..., own]) for own in whole]
    return np.mean(areas, axis=0) if len(whole) > 1 else np.full(weights.shape[:-1], np.nan)


def average_precision(labels, probabilities, weights):
    """Returns the precision at each distinct score, from the highest down, averaged by the recall that it adds."""
    positive, negative = _from_highest_score(labels, probabilities, weights)  # each [..., S]
    found = positive.cumsum(-1)
    precision = np.nan_to_num(_ratio(found, found + negative.cumsum(-1)))
    return _ratio((precision * positive).sum(-1), positive.sum(-1))


def sensitivity_at_90_specificity(labels, probabilities, weights):
    """Returns the largest sensitivity at any threshold that at most a tenth of the negatives reach."""
    positive, negative = _from_highest_score(labels, probabilities, weights)
    positive, negative = positive.cumsum(-1), negative.cumsum(-1)  # weight at or above each score, [..., S]
    allowed = negative <= 0.1 * negative[..., -1:] * (1 + 1e-9)  # sums of weights are rounded
    found = np.where(allowed, positive, 0).max(-1)
    return np.where(negative[..., -1] > 0, _ratio(found, positive[..., -1]), np.nan)


METRICS: dict[str, Metric] = {
    "accuracy": _from_confusion("accuracy"),
    "roc_auc": roc_auc,
    "f1": _from_confusion("f1"),
    "precision": _from_confusion("precision"),
    "recall": _from_confusion("recall"),
    "average_precision": average_precision,
    "balanced_accuracy": _from_confusion("balanced_accuracy"),
    "specificity": _from_confusion("specificity"),
    "brier": brier,
    "mcc": _from_confusion("mcc"),
    "log_loss": log_loss,
    "calibration_slope": calibration_slope,
    "calibration_intercept": calibration_intercept,
    "ece": ece,
    "sensitivity_at_90_specificity": sensitivity_at_90_specificity,
    **{name: _from_confusion(name) for name in TABLES if "_prevalence" in name},
}


def _by_score(labels, probabilities, weights) -> tuple[np.ndarray, np.ndarray]:
    """Sums the weights of positives and of negatives at each distinct score, ascending: [..., S] each."""
    refuse_nan(labels=labels, probabilities=probabilities)
    order = np.argsort(probabilities, kind="stable")
    scores, labels, weights = probabilities[order], labels[order], weights[..., order]
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])  # where each distinct score begins, [S]
    positive = np.add.reduceat(weights * (labels == 1), starts, axis=-1)
    negative = np.add.reduceat(weights * (labels == 0), starts, axis=-1)
    return positive, negative


def _from_highest_score(labels, probabilities, weights) -> tuple[np.ndarray, np.ndarray]:
    """Returns the sums of `_by_score` in descending order of score."""
    positive, negative = _by_score(labels, probabilities, weights)
    return positive[..., ::-1], negative[..., ::-1]


def _ratio(part, whole) -> np.ndarray:
    """Divides part by whole; NaN where whole is not above 0."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
