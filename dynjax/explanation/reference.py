"""Volumes with which a scan is compared: what it would look like without what tells the classes apart."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage

BRAIN = 0.1  # of the range of intensities: more than that in the mean volume is brain
SMOOTH = 1.0  # voxels, the width of the Gaussian that takes single voxels' noise from the difference of the means
NEGATIVE = 0.02  # share of the brain's voxels: with more below zero, a volume is taken to be z-scored
NORMAL_MAD = 0.6745  # the median absolute value of a standard normal number


class Means(NamedTuple):
    """The mean volumes of a fold's training scans by class, each scan from 0, background, to 1, about white matter."""

    negative: np.ndarray
    positive: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """Half way between the classes."""
        return (self.positive + self.negative) / 2

    @property
    def difference(self) -> np.ndarray:
        """The positive class less the negative one."""
        return self.positive - self.negative

    @property
    def brain(self) -> np.ndarray:
        """Where both classes together have brain, bool [X, Y, Z]."""
        return self.middle > BRAIN


def reference_volume(volume: np.ndarray, low: float, extent: float, means: Means, name: str) -> np.ndarray:
    """Returns the reference of a volume [X, Y, Z] in its own intensities, float32.

    Args: low, extent: what `intensity_range` gives of the volume; name, a key of REFERENCES.
    Raises: ValueError for a volume that no positive gain relates to the means, such as a z-scored one.
    """
    scaled, brain = (volume - low) / extent, means.brain
    gain = float((scaled * means.middle)[brain].sum() / (means.middle[brain] ** 2).sum()) if brain.any() else 0.0
    if gain <= 0 or (volume[brain] < 0).mean() > NEGATIVE:
        raise ValueError("its intensities are no multiple of those of the class means; are they z-scores?")
    found = gain * REFERENCES[name](scaled / gain, means)
    return (low + extent * np.maximum(found, 0)).astype(np.float32)


def reliability(means: Means) -> np.ndarray:
    """Returns how sure it is that the classes differ at a voxel, 0 to 1, float64 [X, Y, Z]; 0 outside the brain.

    It is James and Stein's factor, 1 - (noise / difference)^2 where that is positive, for the smoothed difference of
    the means; the noise is estimated by the median of its magnitude over the brain, most of which no disease changes.
    """
    size = np.abs(ndimage.gaussian_filter(means.difference.astype(np.float64), SMOOTH))
    noise = np.median(size[means.brain]) / NORMAL_MAD
    return np.where(means.brain, np.maximum(0, 1 - (noise / np.maximum(size, 1e-9)) ** 2), 0)


def _projected(scan: np.ndarray, means: Means) -> np.ndarray:
    pattern, brain = ndimage.gaussian_filter(means.difference, SMOOTH), means.brain
    share = float(((scan - means.negative) * pattern)[brain].sum() / (pattern[brain] ** 2).sum())
    return scan - share * pattern


def _reliable(scan: np.ndarray, means: Means) -> np.ndarray:
    return scan - reliability(means) * (scan - means.negative)


def _undone(scan: np.ndarray, means: Means) -> np.ndarray:
    change = reliability(means) * (scan - means.negative)
    return scan - np.where(change * means.difference > 0, change, 0)


# What a scan, in the intensities of the means, is compared with.
REFERENCES: dict[str, Callable[[np.ndarray, Means], np.ndarray]] = {
    "undone": _undone,  # the negative class where the classes surely differ and the scan deviates as the positive one
    "reliable": _reliable,  # the negative class where the classes surely differ, the scan itself elsewhere
    "negative": lambda scan, means: means.negative,
    "middle": lambda scan, means: means.middle,
    "difference": lambda scan, means: scan - means.difference,
    "projected": _projected,  # the scan less the smoothed difference, times the scan's own share of it
}
