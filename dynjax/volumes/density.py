"""Resamples a map on the grid to the voxels of a scan as a density, so that its sum is kept."""

import numpy as np
from scipy import ndimage

from dynjax.volumes.grid import Grid
from dynjax.volumes.resampling import is_turned

FINENESS = 3  # fewest places in a voxel of the grid, along each axis, at which turned voxels sample the map


def resample_density(values: np.ndarray, grid: Grid, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Resamples a map on the grid as a density per mm^3: float32 of `shape`, x fastest in memory.

    The density is interpolated linearly between the grid's voxels, down to 0 one voxel beyond the last. Each voxel of
    the result gets the mean over its own extent, so the sum times the voxel's volume is the map's sum, less what lies
    outside. The mean is exact if the axes are the grid's; otherwise it is taken over places within the voxel.

    Args: values, [X, Y, Z] on the grid; affine, voxel index of the result to mm, float64 [4, 4].
    """
    density = values / np.float32(grid.spacing**3)
    to_grid = np.linalg.inv(grid.affine) @ affine
    return (_sampled if is_turned(to_grid, shape) else _integrated)(density, to_grid, shape)


def _integrated(density: np.ndarray, to_grid: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    for axis, count in enumerate(shape):
        weights = _overlaps(density.shape[axis], count, to_grid[axis, axis], to_grid[axis, 3])
        density = np.moveaxis(np.tensordot(weights, density, (1, axis)), 0, axis)
    return np.asfortranarray(density)


def _overlaps(size: int, count: int, side: float, first: float) -> np.ndarray:
    """Returns the mean of the grid's linear interpolation weights over each voxel of an axis, float32 [count, size].

    Args: side, of a voxel, and first, the centre of the first one: in voxels of the grid.
    """
    ends = first + side * (np.arange(count + 1) - 0.5)
    beyond = np.clip(ends[:, None] - np.arange(size), -1, 1)  # [count + 1, size]
    integral = 0.5 + beyond - beyond * abs(beyond) / 2  # of the weight 1 - |t|, from -1 to `beyond`
    return (np.diff(integral, axis=0) / side).astype(np.float32)


def _sampled(density: np.ndarray, to_grid: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Averages the density over evenly spaced places in each voxel, one z at a time: all places would fill memory."""
    counts = np.ceil(FINENESS * np.linalg.norm(to_grid[:3, :3], axis=0)).astype(int)  # places in a voxel, [3]
    steps = to_grid[:3, :3] / counts
    trimmed, corner = _trimmed(density)
    first = to_grid[:3, 3] + to_grid[:3, :3] @ (0.5 / counts - 0.5) - corner
    places = (shape[0] * counts[0], shape[1] * counts[1], counts[2])
    sampled = np.empty(shape, np.float32, order="F")
    for z in range(shape[2]):
        plane = ndimage.affine_transform(trimmed, steps, first + z * to_grid[:3, 2], places, np.float32, order=1)
        sampled[:, :, z] = plane.reshape(shape[0], counts[0], shape[1], counts[1], counts[2]).mean((1, 3, 4))
    return sampled


def _trimmed(density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Crops a map to its voxels that are not 0 and puts one voxel of 0 around them, as SciPy does not extrapolate.

    Returns: the map, and the index of its first voxel in the whole one, [3]. Places outside it are sampled much faster.
    """
    filled = np.argwhere(density)
    low, high = filled.min(0, initial=max(density.shape)), filled.max(0, initial=0)  # an empty box if all is 0
    box = tuple(slice(start, end + 1) for start, end in zip(low, high))
    return np.pad(density[box], 1), low - 1
