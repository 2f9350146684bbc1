"""Calibration of probabilities: log loss, logistic recalibration, and the expected calibration error (ECE).

Every metric maps labels [N] of 0 and 1, probabilities [N] and weights [..., N] to values [...]. It raises ValueError if
a label or a probability is NaN.
"""

import numpy as np
from scipy.special import expit, logit

from dynjax.evaluation.numbers import refuse_nan

FLOOR = 2.0**-23  # probabilities are kept this far from 0 and 1: a float32 softmax resolves nothing closer to 1
BINS = 10
DRAWS = 2000
STEPS = 50  # of Newton's method, at most
STRIDE = 2.0  # longest Newton step; an unbounded one can leap to where the logistic function is flat
TOLERANCE = 1e-9  # of the last Newton step; relative to a coefficient above 1


def log_loss(labels, probabilities, weights):
    """Returns the mean negative log-likelihood in nats, with probabilities kept FLOOR from 0 and 1."""
    refuse_nan(labels=labels, probabilities=probabilities)
    p = np.clip(probabilities, FLOOR, 1 - FLOOR)
    return weights @ -np.log(np.where(labels == 1, p, 1 - p)) / weights.sum(-1)


def calibration_intercept(labels, probabilities, weights):
    """Fits a in the logistic model logit P(label = 1) = a + logit(p): 0 if the mean p is right, below 0 if too high.

    Calibration in the large (Cox 1958; Van Calster et al. 2019). NaN unless both labels have weight, and where Newton's
    method has not converged.
    """
    refuse_nan(labels=labels, probabilities=probabilities)
    x = _logits(probabilities)  # [N]
    total = weights @ (labels == 1)  # weight of the positives, [...]
    both = (total > 0) & (total < weights.sum(-1))
    a = step = np.zeros(weights.shape[:-1])
    for _ in range(STEPS):
        risk = expit(a[..., None] + x)  # [..., N]
        # An infinite curvature makes the step 0 where there is no solution.
        curvature = np.where(both, (weights * risk * (1 - risk)).sum(-1), np.inf)
        step = np.clip((total - (weights * risk).sum(-1)) / curvature, -STRIDE, STRIDE)
        a = a + step
        if _has_converged(a, step).all():
            break
    return np.where(both & _has_converged(a, step), a, np.nan)


def calibration_slope(labels, probabilities, weights):
    """Fits b in the logistic model logit P(label = 1) = a + b logit(p): 1 is right, below 1 if p is too extreme.

    Infinite where the probabilities separate the labels; NaN where all are equal or a label has no weight, and where
    Newton's method has not converged, as may be if the probabilities separate nearly all labels.
    """
    refuse_nan(labels=labels, probabilities=probabilities)
    x = _logits(probabilities)  # [N]
    spread = x.std() or 1.0
    x = (x - x.mean()) / spread  # standardised, so that STRIDE suits both coefficients
    limit = _slope_if_separated(labels, x, weights)
    finite = limit == 0
    a, b = np.zeros((2, *weights.shape[:-1]))  # each [...]
    converged = ~finite
    for _ in range(STEPS):
        step_a, step_b = _newton_step(labels, x, weights, a, b, finite)
        a, b = a + step_a, b + step_b
        converged = _has_converged(a, step_a) & _has_converged(b, step_b)
        if converged.all():
            break
    return np.select([~finite, converged], [limit, b / spread], np.nan)


def _has_converged(coefficient, step) -> np.ndarray:
    """Whether the last Newton step, [...], hardly changed the coefficient [...]; False for NaN."""
    return np.abs(step) < TOLERANCE * np.maximum(1, np.abs(coefficient))


def _newton_step(labels, x, weights, a, b, finite) -> tuple[np.ndarray, np.ndarray]:
    """Returns the Newton steps of intercept a and slope b, each [...] and at most STRIDE long; 0 unless `finite`."""
    risk = expit(a[..., None] + b[..., None] * x)  # [..., N]
    error, curvature = weights * (labels - risk), weights * risk * (1 - risk)
    first, mixed, second = curvature.sum(-1), curvature @ x, curvature @ x**2  # the Hessian's entries, each [...]
    gradient_a, gradient_b = error.sum(-1), error @ x
    # An infinite determinant makes the step 0 where there is no finite solution.
    determinant = np.where(finite, first * second - mixed**2, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where every risk is 0 or 1 to rounding: NaN from there
        step_a = np.clip((second * gradient_a - mixed * gradient_b) / determinant, -STRIDE, STRIDE)
        step_b = np.clip((first * gradient_b - mixed * gradient_a) / determinant, -STRIDE, STRIDE)
    return step_a, step_b


def ece(labels, probabilities, weights):
    """Returns the expected calibration error: |share of positives - mean probability|, averaged over bins by weight.

    There are BINS bins of equal numbers of subjects, by rank; subjects of equal probability share a bin.
    """
    refuse_nan(labels=labels)
    bins = rank_bins(probabilities)  # [N]
    gaps = [weights @ np.where(bins == each, labels - probabilities, 0) for each in range(BINS)]  # [BINS] of [...]
    return np.abs(gaps).sum(0) / weights.sum(-1)


def ece_if_calibrated(probabilities: np.ndarray, seed: int) -> dict[str, float | list[float]]:
    """Simulates the ECE of a calibrated model: the mean and central 95 % over DRAWS sets of labels.

    Each set of labels is drawn with the given probabilities [N]. With few subjects the ECE is far above 0 even then
    (Brocker and Smith 2007, on the consistency of reliability diagrams).
    """
    rng = np.random.default_rng(seed)
    bins = rank_bins(probabilities)  # [N]
    values = []
    for _ in range(DRAWS):
        labels = rng.random(len(probabilities)) < probabilities
        gaps = np.bincount(bins, labels - probabilities, BINS)  # summed per bin, [BINS]
        values.append(np.abs(gaps).sum() / len(probabilities))
    return {"value": float(np.mean(values)), "ci95": np.quantile(values, [0.025, 0.975]).tolist()}


def rank_bins(probabilities) -> np.ndarray:
    """Returns each probability's bin [N], 0 the lowest, among BINS bins of equal numbers; equal ones share a bin."""
    from scipy.stats import rankdata  # slow to import

    refuse_nan(probabilities=probabilities)
    return np.ceil(rankdata(probabilities) * BINS / len(probabilities)).astype(int) - 1


def _logits(probabilities) -> np.ndarray:
    """Returns log odds, finite because probabilities are kept FLOOR from 0 and 1."""
    return logit(np.clip(probabilities, FLOOR, 1 - FLOOR))


def _slope_if_separated(labels, x, weights) -> np.ndarray:
    """Returns the slope [...] where x separates the labels, 0 elsewhere.

    inf if no negative is above a positive, -inf if no positive is above a negative, NaN if both hold.
    """
    positive, negative = (weights > 0) & (labels == 1), (weights > 0) & (labels == 0)  # [..., N]
    lowest_positive = np.where(positive, x, np.inf).min(-1)  # [...]
    lowest_negative = np.where(negative, x, np.inf).min(-1)
    highest_positive = np.where(positive, x, -np.inf).max(-1)
    highest_negative = np.where(negative, x, -np.inf).max(-1)
    above, below = lowest_positive >= highest_negative, highest_positive <= lowest_negative
    return np.select([above & below, above, below], [np.nan, np.inf, -np.inf], 0.0)
