"""Measures how far a scan's features, under the network's last layer, lie from those of the training scans."""

import numpy as np

NEAREST = 5  # training scans whose mean distance counts
MOST = 256  # features that are kept: more are projected at random (Johnson and Lindenstrauss 1984)
ROWS = 1024  # scans compared at a time
LEAST = 0.1  # smallest spread of the logarithm that means something
TINY = 1e-6


def reduce_features(features: np.ndarray) -> np.ndarray:
    """Projects features [N, D] onto MOST random directions if there are more: float32 [N, min(D, MOST)]."""
    size = features.shape[1]
    if size <= MOST:
        return np.asarray(features, np.float32)
    directions = np.random.default_rng(0).standard_normal((size, MOST), np.float32) / np.float32(np.sqrt(MOST))
    return features.astype(np.float32) @ directions


def remoteness(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the mean distance of features [N, D] to the NEAREST of the training scans' [M, D].

    Each feature is measured in its standard deviation over the training scans; one that is constant there counts 0
    unless it differs, and then in units of the smallest.
    """
    spread = training.std(0)
    spread = np.where(spread > 0, spread, spread[spread > 0].min(initial=1.0))
    known, asked = training / spread, features / spread
    means = []
    for start in range(0, len(asked), ROWS):
        some = asked[start : start + ROWS]
        squares = (some**2).sum(1)[:, None] + (known**2).sum(1) - 2 * some @ known.T  # [ROWS, M]
        nearest = np.sort(np.maximum(squares, 0), 1)[:, :NEAREST]
        means.append(np.sqrt(nearest).mean(1))
    return np.log(np.concatenate(means) + TINY) if means else np.empty(0)
