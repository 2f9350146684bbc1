"""Resamples volumes onto the grid, and tells with what to fill the grid outside a volume's field of view."""

import math

import nibabel
import numpy as np
from nibabel.orientations import inv_ornt_aff, io_orientation
from nibabel.processing import resample_from_to
from scipy import ndimage, sparse

from dynjax.volumes.grid import TOLERANCE, Grid

FWHM = math.sqrt(8 * math.log(2))  # full width at half maximum of a Gaussian of deviation 1
REACH = 4.0  # deviations of the Gaussian beyond which it is 0
ROUNDED = 0.001  # share of the range of values: a common value no farther from 0 is 0, stored as a scaled integer
DARK = 10  # percentile of the faces' voxels, taken for air where these have no common value
NEAR_ZERO = 0.05  # share of the range of values: air that is no farther from 0 is taken for 0


def in_ras(shape: tuple[int, ...], affine: np.ndarray) -> tuple[np.ndarray, tuple[int, ...], np.ndarray]:
    """Returns how to permute and flip a volume's axes into RAS+, for nibabel, and the shape and affine it then has."""
    orientation = io_orientation(affine)
    turned = tuple(shape[axis] for axis in np.argsort(orientation[:, 0]))
    return orientation, turned, affine @ inv_ornt_aff(orientation, shape)


def in_file_order(data: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Returns a view of a volume [X, Y, Z] in RAS+ with the axes of its file; `orientation` is that of `in_ras`."""
    view = data.transpose(orientation[:, 0].astype(int))
    return view[tuple(slice(None, None, int(flip)) for flip in orientation[:, 1])]


def resample(data: np.ndarray, affine: np.ndarray, grid: Grid, fill: float = 0.0) -> np.ndarray:
    """Resamples a volume linearly onto the grid, `fill` outside the volume: float32 [X, Y, Z], x fastest in memory."""
    image = nibabel.Nifti1Image(data, affine)
    resampled = resample_from_to(image, (grid.shape, grid.affine), order=1, mode="constant", cval=fill)
    return np.asfortranarray(resampled.dataobj, np.float32)


def resample_smoothly(data: np.ndarray, affine: np.ndarray, grid: Grid, fill: float = 0.0) -> np.ndarray:
    """Resamples as `resample` does, but smooths along each axis whose voxels are smaller than the grid's.

    Texture finer than the grid would otherwise become noise on it. The Gaussian's full width at half maximum is
    sqrt(spacing^2 - side^2) mm, which makes voxels of `side` mm as blurred as those of `spacing` mm.
    """
    deviations = smoothing(affine, grid.spacing)
    if not any(deviations):
        return resample(data, affine, grid, fill)
    to_voxels = np.linalg.inv(affine) @ grid.affine
    if is_turned(to_voxels, grid.shape):
        # Transposed, because x is fastest in memory: [Z, Y, X] in C order.
        smoothed = ndimage.gaussian_filter(data.T, deviations[::-1], mode="nearest", truncate=REACH).T
        return resample(smoothed, affine, grid, fill)
    volume = data - np.float32(fill) if fill else data  # 0 outside
    x, y, z = (
        _weights(np.round(to_voxels[axis, axis] * np.arange(size) + to_voxels[axis, 3], 9), *of_axis)  # exact at ends
        for axis, (size, *of_axis) in enumerate(zip(grid.shape, volume.shape, deviations))
    )
    return np.asfortranarray(_sample(volume.T, z, y, x).T + np.float32(fill))


def _weights(places: np.ndarray, size: int, deviation: float) -> sparse.csr_array:
    """Returns what smooths an axis of `size` voxels and interpolates it at `places`, in voxels; 0 at those outside."""
    smoothed = np.eye(size)
    if deviation:
        smoothed = ndimage.gaussian_filter1d(smoothed, deviation, axis=0, mode="nearest", truncate=REACH)
    below = np.clip(np.floor(places).astype(int), 0, size - 2)
    above = (places - below)[:, None]
    inside = ((places >= 0) & (places <= size - 1))[:, None]
    weights = inside * ((1 - above) * smoothed[below] + above * smoothed[below + 1])  # [places, size]
    return sparse.csr_array(weights.astype(np.float32))


def _sample(volume: np.ndarray, z: sparse.csr_array, y: sparse.csr_array, x: sparse.csr_array) -> np.ndarray:
    """Multiplies the axes of a volume [Z, Y, X] by matrices, z first: then each slice is small enough for the cache."""
    planes = (z @ volume.reshape(len(volume), -1)).reshape(-1, *volume.shape[1:])
    sampled = np.empty((len(planes), y.shape[0], x.shape[0]), np.float32)
    for plane, out in zip(planes, sampled):
        out[...] = (x @ (y @ plane).T).T
    return sampled


def is_turned(affine: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Tells whether an affine from voxels to voxels turns or shears a volume's axes by TOLERANCE at their ends."""
    turn = abs(affine[:3, :3] - np.diag(np.diag(affine)[:3]))
    return bool((turn @ shape > TOLERANCE).any())


def smoothing(affine: np.ndarray, spacing: float) -> list[float]:
    """Returns the deviations of the Gaussian of `resample_smoothly`, in voxels; 0 along an axis that it leaves."""
    sides = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    finer = (1 - TOLERANCE) * spacing
    return [math.sqrt(spacing**2 - side**2) / (FWHM * side) if side < finer else 0.0 for side in sides]


def faces(volume: np.ndarray) -> np.ndarray:
    """Returns the voxels of the six faces of a volume [X, Y, Z], [n]."""
    sides = [np.moveaxis(volume, axis, 0)[[0, -1]] for axis in range(3)]  # without `take`, which copies the volume
    return np.concatenate([side.ravel() for side in sides])


def background(faces: np.ndarray, low: float, high: float) -> float:
    """Returns the value of the air around the head: 0 in most volumes, another one where 0 is within the brain.

    It is the value that most voxels of the faces have. If they have none in common, it is 0 in a volume without
    negative values; in others it is a low percentile of the faces, unless that is nearly 0.

    Args: faces, finite values [n]; low and high, the extremes of the whole volume.
    """
    middle = faces.size // 2
    common = np.partition(faces, middle)[middle]  # a value that more than half of them have
    if 2 * np.count_nonzero(faces == common) > faces.size:
        return 0.0 if abs(common) <= ROUNDED * (high - low) else float(common)
    if low >= 0:
        return 0.0
    dark = min(float(np.percentile(faces, DARK)), 0.0)
    return 0.0 if abs(dark) <= NEAR_ZERO * (high - low) else dark
