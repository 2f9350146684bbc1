"""95 % intervals: Wilson's for shares of subjects, a stratified bootstrap over subjects for everything else."""

import numpy as np
from scipy.special import ndtri

from dynjax.evaluation.metrics import METRICS, PROPORTIONS, Metric, confusion

LEVEL = 0.95
RESAMPLES = 2000
CHUNK = 10**7  # weights held at a time

Estimate = dict[str, float | list[float] | None]


def estimate_all(labels: np.ndarray, probabilities: np.ndarray, seed: int) -> dict[str, Estimate]:
    """Every metric as {'value': .., 'ci95': [low, high]}, None where it is undefined.

    Args: labels [N] of 0 and 1 and probabilities [N], an entry a subject; seed of the bootstrap.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    everyone = np.ones(len(labels))
    estimates: dict[str, Estimate] = {}
    for name, metric in METRICS.items():
        value = float(metric(labels, probabilities, everyone))
        if np.isnan(value):
            estimates[name] = {"value": None, "ci95": None}
        elif name in PROPORTIONS:
            part, whole = PROPORTIONS[name](*confusion(labels, probabilities, everyone))
            estimates[name] = {"value": value, "ci95": wilson(part, whole)}
        else:
            estimates[name] = {"value": value, "ci95": bootstrap(metric, labels, probabilities, seed)}
    return estimates


def wilson(part: float, whole: float) -> list[float]:
    """Wilson's score interval (1927) of part / whole; whole > 0."""
    z = ndtri((1 + LEVEL) / 2)
    share = part / whole
    centre = share + z**2 / (2 * whole)
    half = z * np.sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2))
    return [float(max((centre - half) / (1 + z**2 / whole), 0)), float(min((centre + half) / (1 + z**2 / whole), 1))]


def bootstrap(metric: Metric, labels: np.ndarray, probabilities: np.ndarray, seed: int) -> list[float] | None:
    """Percentiles of the metric over resamples of the subjects, the numbers of either label kept."""
    rng = np.random.default_rng(seed)
    values = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, step := max(1, CHUNK // len(labels))):
        count = min(step, RESAMPLES - start)
        weights = np.zeros((count, len(labels)))
        for label in (0, 1):
            members = np.flatnonzero(labels == label)
            if len(members):
                weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), count)
        values[start : start + count] = metric(labels, probabilities, weights)
    if np.isnan(values).all():
        return None
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]
