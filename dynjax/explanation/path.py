"""Integrated gradients along a straight path (Sundararajan et al. 2017), with the error of their sum."""

from typing import NamedTuple

import numpy as np

from dynjax.explanation.network import BATCH, Explained

FIRST, MOST = 16, 1024  # steps at first, and at most
TOLERANCE = 0.01  # of max(1, |difference of the logits|): the error at which the path is fine enough


class Integral(NamedTuple):
    """The mean gradient along a path between two inputs, and what it explains.

    gradient: float64, of the shape of an input. start, end: the logits there. error: end - start less the sum of
    gradient * (end's input - start's). steps: into how many equal parts the path was divided.
    """

    gradient: np.ndarray
    start: float
    end: float
    error: float
    steps: int

    @property
    def is_fine(self) -> bool:
        """Whether the error is below TOLERANCE."""
        return abs(self.error) <= TOLERANCE * max(1.0, abs(self.end - self.start))


def integrate(network: Explained, start: np.ndarray, end: np.ndarray, views: int = 1, most: int = MOST) -> Integral:
    """Integrates the gradient from one scaled input to another, in steps that are halved until the sum is right.

    By the trapezoidal rule, whose places are used again when the steps are halved: K steps take K + 1 passes.

    Args: start and end, inputs without their axis of scans; views, how many images an input is made of.
    """
    size = max(1, BATCH // views)  # places at a time
    (low, high), total = _along(network, start, end, np.array([0.0, 1.0]), 0.5, size)
    steps = 1
    while True:
        places = (np.arange(steps) + 0.5) / steps if steps > 1 else np.arange(1, FIRST) / FIRST
        _, more = _along(network, start, end, places, 1.0, size)
        total, steps = total + more, 2 * steps if steps > 1 else FIRST
        gradient = total / steps
        found = Integral(gradient, low, high, high - low - float((gradient * (end - start)).sum()), steps)
        if found.is_fine or steps >= most:
            return found


def _along(
    network: Explained, start: np.ndarray, end: np.ndarray, places: np.ndarray, weight: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the logits at the places, and the sum of the gradients there times the weight."""
    values, total = [], np.zeros(start.shape)
    for first in range(0, len(places), size):
        own = places[first : first + size]
        filled = np.resize(own, size).astype(np.float32)  # one size of batch, so that one program is compiled
        weights = np.where(np.arange(size) < len(own), weight, 0).astype(np.float32)
        some, gradient = network.along(start, end, filled, weights)
        values.append(some[: len(own)])
        total += gradient
    return np.concatenate(values), total
