"""What probabilities are worth. Every metric takes weights of the subjects, so that a bootstrap is one call."""

from collections.abc import Callable

import numpy as np

THRESHOLD = 0.5

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


def _proportion(name: str) -> Metric:
    return lambda *data: _share(*PROPORTIONS[name](*confusion(*data)))


def f1(labels, probabilities, weights):
    tp, fp, _, fn = confusion(labels, probabilities, weights)
    return _share(2 * tp, 2 * tp + fp + fn)


def balanced_accuracy(labels, probabilities, weights):
    tp, fp, tn, fn = confusion(labels, probabilities, weights)
    return (_share(tp, tp + fn) + _share(tn, tn + fp)) / 2


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


METRICS: dict[str, Metric] = {
    "accuracy": _proportion("accuracy"),
    "roc_auc": roc_auc,
    "f1": f1,
    "precision": _proportion("precision"),
    "recall": _proportion("recall"),
    "average_precision": average_precision,
    "balanced_accuracy": balanced_accuracy,
    "specificity": _proportion("specificity"),
    "brier": brier,
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
