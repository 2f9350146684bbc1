"""The weights of approximate rank pooling, one for each slice."""

import numpy as np

FAMILIES = ("simple", "harmonic", "released")


def rank_pooling_weights(length: int, family: str = "simple") -> np.ndarray:
    """Returns the weights alpha_t of slices t = 1..T, float64 [T], with T = length.

    simple:   2t - T - 1, the paper's equation 3: the slices themselves are ranked.
    harmonic: sum_{k=t..T} (2k - T - 1) / k, Bilen et al. 2016: the running means of the slices are ranked.
    released: sum_{k=t..T} (2k - T) / k, as in the code that the paper's authors released.

    Raises: ValueError for an unknown family or a length under 1.
    """
    if length < 1:
        raise ValueError(f"rank pooling needs at least one slice, not {length}")
    t = np.arange(1, length + 1)
    if family == "simple":
        return (2 * t - length - 1).astype(np.float64)
    if family not in FAMILIES:
        raise ValueError(f"unknown weights {family!r}; choose one of {', '.join(FAMILIES)}")
    offset = 1 if family == "harmonic" else 0
    terms = (2 * t - length - offset) / t
    return terms[::-1].cumsum()[::-1]  # sums from k = t to T
