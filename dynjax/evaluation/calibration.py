"""Whether probabilities mean what they say: log loss, logistic recalibration, the expected calibration error.

Every metric maps labels [N] of 0 and 1, probabilities [N] and weights [..., N] to values [...].
"""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import rankdata

FLOOR = 2.0**-23  # a float32 softmax tells nothing closer from 1: neither 0 nor 1 is taken at its word
BINS = 10
DRAWS = 2000
STEPS = 50
STRIDE = 2.0  # the longest Newton step: an unbounded one leaps to where the logistic function is flat
TOLERANCE = 1e-9


def log_loss(labels, probabilities, weights):
    """Mean negative log-likelihood in nats, probabilities kept FLOOR from 0 and 1."""
    p = np.clip(probabilities, FLOOR, 1 - FLOOR)
    return weights @ -np.log(np.where(labels == 1, p, 1 - p)) / weights.sum(-1)


def calibration_intercept(labels, probabilities, weights):
    """a of the logistic model logit P(label = 1) = a + logit(p): 0 if the mean p is right, below 0 if too high.

    Calibration in the large (Cox 1958; Van Calster et al. 2019). NaN unless both labels have weight.
    """
    x, total = _logits(probabilities), weights @ (labels == 1)
    both = (total > 0) & (total < weights.sum(-1))
    a = np.zeros(weights.shape[:-1])
    for _ in range(STEPS):
        risk = expit(a[..., None] + x)
        curvature = np.where(both, (weights * risk * (1 - risk)).sum(-1), np.inf)
        step = np.clip((total - (weights * risk).sum(-1)) / curvature, -STRIDE, STRIDE)
        a = a + step
        if np.abs(step).max(initial=0) < TOLERANCE:
            break
    return np.where(both, a, np.nan)


def calibration_slope(labels, probabilities, weights):
    """b of the logistic model logit P(label = 1) = a + b logit(p): 1 is right, below 1 where p is too extreme.

    Infinite where the probabilities separate the labels, NaN where they are all one or a label has no weight.
    """
    x = _logits(probabilities)
    x = (x - x.mean()) / (spread := x.std() or 1.0)
    limit = _slope_if_separated(labels, x, weights)
    finite = limit == 0
    a, b = np.zeros((2, *weights.shape[:-1]))
    for _ in range(STEPS):
        risk = expit(a[..., None] + b[..., None] * x)
        error, curvature = weights * (labels - risk), weights * risk * (1 - risk)
        first, mixed, second = curvature.sum(-1), curvature @ x, curvature @ x**2
        gradient_a, gradient_b = error.sum(-1), error @ x
        determinant = np.where(finite, first * second - mixed**2, np.inf)
        step_a = np.clip((second * gradient_a - mixed * gradient_b) / determinant, -STRIDE, STRIDE)
        step_b = np.clip((first * gradient_b - mixed * gradient_a) / determinant, -STRIDE, STRIDE)
        a, b = a + step_a, b + step_b
        if max(np.abs(step_a).max(initial=0), np.abs(step_b).max(initial=0)) < TOLERANCE:
            break
    return np.where(finite, b / spread, limit)


def ece(labels, probabilities, weights):
    """Expected calibration error: |share of positives - mean probability|, averaged over bins by their weight.

    BINS bins of equally many subjects, by rank; subjects of equal probability share a bin.
    """
    bins = rank_bins(probabilities)
    gaps = [weights @ np.where(bins == each, labels - probabilities, 0) for each in range(BINS)]
    return np.abs(gaps).sum(0) / weights.sum(-1)


def ece_if_calibrated(probabilities: np.ndarray, seed: int) -> dict[str, float | list[float]]:
    """The ECE of DRAWS sets of labels that are drawn with these very probabilities [N]: mean, and central 95 %.

    With few subjects it is far above 0 even then (Brocker and Smith 2007: the consistency of reliability diagrams).
    """
    rng, bins = np.random.default_rng(seed), rank_bins(probabilities)
    values = []
    for _ in range(DRAWS):
        gaps = (rng.random(len(probabilities)) < probabilities) - probabilities
        values.append(np.abs(np.bincount(bins, gaps, BINS)).sum() / len(probabilities))
    return {"value": float(np.mean(values)), "ci95": np.quantile(values, [0.025, 0.975]).tolist()}


def rank_bins(probabilities) -> np.ndarray:
    """Which of BINS bins of equally many subjects each of [N] lies in, 0 the lowest; equal ones share a bin."""
    return np.ceil(rankdata(probabilities) * BINS / len(probabilities)).astype(int) - 1


def _logits(probabilities) -> np.ndarray:
    return logit(np.clip(probabilities, FLOOR, 1 - FLOOR))


def _slope_if_separated(labels, x, weights) -> np.ndarray:
    """inf if no negative lies above a positive, -inf if no positive lies above a negative, NaN if both, else 0."""
    present = weights > 0
    low_1, low_0 = (np.where(present & (labels == label), x, np.inf).min(-1) for label in (1, 0))
    high_1, high_0 = (np.where(present & (labels == label), x, -np.inf).max(-1) for label in (1, 0))
    above, below = low_1 >= high_0, high_1 <= low_0
    return np.select([above & below, above, below], [np.nan, np.inf, -np.inf], 0.0)
