"""Integrated gradients along a straight path (Sundararajan et al. 2017), with the error of their sum."""

from typing import NamedTuple

import numpy as np

from dynjax.explanation.network import BATCH, Explained

FIRST = BATCH - 1  # steps at first, whose places with both ends are one batch of images
MOST = FIRST * 2**7
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
    steps, ends = FIRST, np.array([0.5, *[1.0] * (FIRST - 1), 0.5])
    values, total = _along(network, start, end, np.arange(FIRST + 1) / FIRST, ends, size)
    low, high = values[0], values[-1]
    while True:
        gradient = total / steps
        found = Integral(gradient, low, high, high - low - float((gradient * (end - start)).sum()), steps)
        if found.is_fine or steps >= most:
            return found
        _, more = _along(network, start, end, (np.arange(steps) + 0.5) / steps, np.ones(steps), size)
        total, steps = total + more, 2 * steps


def _along(
    network: Explained, start: np.ndarray, end: np.ndarray, places: np.ndarray, weights: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the logits at the places, and the sum of the gradients there times the weights."""
    values, total = [], np.zeros(start.shape)
    for first in range(0, len(places), size):
        own, weights_of_own = places[first : first + size], weights[first : first + size]
        filled = np.resize(own, size).astype(np.float32)  # one size of batch, so that one program is compiled
        padded = np.pad(weights_of_own, (0, size - len(own))).astype(np.float32)
        some, gradient = network.along(start, end, filled, padded)
        values.append(some[: len(own)])
        total += gradient
    return np.concatenate(values), total
