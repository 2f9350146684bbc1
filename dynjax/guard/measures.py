"""Measures a volume on the grid: its size, its place, its background and how its intensities are distributed."""

from collections.abc import Iterator

import numpy as np

from dynjax.volumes.intensity import intensity_range

# For each measure, the smallest spread that is taken to mean something: in a cohort made by one program all scans may
# have the same background to the last digit, and any other value would be infinitely far away.
LEAST = {
    "litres": 0.03,  # the logarithm of the head's volume
    "background": 0.02,  # median of the six faces, in the range from the minimum to the 99th percentile
    "faces": 0.02,  # share of the six faces that belongs to the head
    **{f"centre {axis}": 1.0 for axis in "xyz"},  # of the head, mm
    **{f"extent {axis}": 0.01 for axis in "xyz"},  # logarithm of the head's standard deviation along an axis
    **{f"tilt {axes}": 0.01 for axes in ("xy", "xz", "yz")},  # correlation of two coordinates within the head
    **{f"intensity {percent} %": 0.01 for percent in (10, 25, 50, 75, 90)},  # percentiles within the head, same range
    "peak": 0.05,  # logarithm of the largest voxel, same range
    "roughness": 0.1,  # logarithm of the mean squared difference of neighbours, over the variance within the head
    "flatness": 0.02,  # share of neighbours within the head that are equal: a mask or an atlas has levels
}
PERCENTILES = (10, 25, 50, 75, 90)
HEAD = 0.1  # of the range from the minimum to the 99th percentile: what is brighter belongs to the head
TINY = 1e-12


def measure_volume(volume: np.ndarray, spacing: float) -> np.ndarray:
    """Measures a volume [X, Y, Z] with voxels of `spacing` mm; returns one number a key of LEAST, float64 [J].

    All but the peak and the flatness are measured on the means of blocks of 2 x 2 x 2 voxels: they hardly depend on
    whether a scan was interpolated once more. No measure depends on the intensity's unit.
    """
    coarse = _halved(volume)
    low, extent = intensity_range(coarse)
    unit = (coarse - low) / extent
    head = unit > HEAD
    faces = [(unit.take(end, axis), head.take(end, axis)) for axis in range(3) for end in (0, -1)]
    values = [
        np.log(head.sum() * (2 * spacing) ** 3 / 1e6 + TINY),
        np.median(np.concatenate([value.ravel() for value, _ in faces])),
        np.mean(np.concatenate([inside.ravel() for _, inside in faces])),
        *_moments(head, 2 * spacing),
        *(np.percentile(unit[head], PERCENTILES) if head.any() else np.zeros(len(PERCENTILES))),
        np.log(max((float(volume.max()) - low) / extent, TINY)),
        np.log(_roughness(unit, head) + TINY),
        _flatness(volume, low + HEAD * extent),
    ]
    return np.array(values, np.float64)


def _halved(volume: np.ndarray) -> np.ndarray:
    """Averages blocks of 2 x 2 x 2 voxels, without the last slice of an odd axis."""
    x, y, z = (size // 2 * 2 for size in volume.shape)
    even = volume[:x, :y, :z]
    corners = [even[i::2, j::2, k::2] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    return np.asarray(np.sum(corners, axis=0, dtype=np.float32) / np.float32(8))


def _moments(head: np.ndarray, spacing: float) -> Iterator[float]:
    """Yields the head's centre from the grid's middle, its extents (both 3) and its tilts (3)."""
    count = max(int(head.sum()), 1)
    places = [spacing * (np.arange(size) - (size - 1) / 2) for size in head.shape]  # mm
    planes = {(0, 1): head.sum(2), (0, 2): head.sum(1), (1, 2): head.sum(0)}
    lines = [planes[0, 1].sum(1), planes[0, 1].sum(0), planes[0, 2].sum(0)]
    centre = [float(line @ place) / count for line, place in zip(lines, places)]
    square = [float(line @ (place - mid) ** 2) / count for line, place, mid in zip(lines, places, centre)]
    yield from centre
    yield from (float(np.log(np.sqrt(each) + TINY)) for each in square)
    for (one, other), plane in planes.items():
        product = (places[one] - centre[one]) @ plane @ (places[other] - centre[other]) / count
        yield float(product / (np.sqrt(square[one] * square[other]) + TINY))


def _roughness(unit: np.ndarray, head: np.ndarray) -> float:
    """Returns the mean squared difference of neighbours where both belong to the head, over the variance there."""
    total = count = 0.0
    for axis in range(3):
        first = [slice(None)] * 3
        second = [slice(None)] * 3
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        both = head[tuple(first)] & head[tuple(second)]
        total += float(((unit[tuple(first)] - unit[tuple(second)])[both] ** 2).sum())
        count += int(both.sum())
    variance = float(unit[head].var()) if head.any() else 0.0
    return total / max(count, 1) / (variance + TINY)


def _flatness(volume: np.ndarray, least: float) -> float:
    """Returns the share of neighbours along x that are equal, of those brighter than `least`."""
    bright = volume[1:] > least
    return float(np.mean((volume[1:] == volume[:-1])[bright])) if bright.any() else 1.0
