"""Sums a map over the regions of an atlas, and compares the classes region by region."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Region(NamedTuple):
    """A region's attribution in one class: means over subjects, with 95 % t intervals where there are two or more.

    total: the sum over its voxels. density: that a voxel. gain: the class's mean density over that of the negative
    class (Boehle et al. 2019); None where that is 0.
    """

    name: str
    voxels: int
    label: str
    subjects: int
    total: tuple[float, float | None, float | None]
    density: float
    gain: float | None


def sum_regions(values: np.ndarray, atlas: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    """Sums a map [X, Y, Z] over the voxels of each number of an atlas, int [X, Y, Z]: float64 [regions]."""
    sums = np.bincount(atlas.ravel(), weights=values.ravel(), minlength=max(numbers) + 1)
    return sums[list(numbers)]


def describe_regions(
    sums: np.ndarray, targets: np.ndarray, labels: tuple[str, str], names: Sequence[str], sizes: Sequence[int]
) -> list[Region]:
    """Describes each region in each class.

    Args: sums [N, regions] of N subjects; targets [N] of 0 and 1; labels, (negative, positive); names and sizes, in
    voxels, of the regions.
    """
    found = []
    for index, (name, size) in enumerate(zip(names, sizes)):
        usual = float(sums[targets == 0, index].mean()) if (targets == 0).any() else 0.0
        for target, label in enumerate(labels):
            own = sums[targets == target, index]
            if own.size:
                mean = float(own.mean())
                gain = mean / usual if usual else None
                found.append(Region(name, size, label, own.size, (mean, *_interval(own)), mean / size, gain))
    return found


def _interval(values: np.ndarray) -> tuple[float | None, float | None]:
    if len(values) < 2:
        return None, None
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
