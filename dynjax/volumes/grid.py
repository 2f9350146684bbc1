"""The grid onto which volumes are resampled: by default 110 x 110 x 110 voxels of 2 mm, centred in MNI space."""

from typing import NamedTuple

import numpy as np

CENTRE = (0.0, -18.0, 20.0)  # mm, MNI: the middle of the field of view of ADNI's 110-voxel derivatives
TOLERANCE = 0.01  # largest difference, relative to a voxel, of spacing, axis direction or origin from the grid's
NEWEST = 2  # recipe by which volumes get onto the grid, of those that dynjax.volumes.reading describes


class Grid(NamedTuple):
    """The number of voxels along x, y and z, and their size in mm; the axes are RAS+ and the centre is CENTRE."""

    shape: tuple[int, int, int] = (110, 110, 110)
    spacing: float = 2.0

    @property
    def affine(self) -> np.ndarray:
        """Voxel index to mm, float64 [4, 4]; by default diag(2, 2, 2) with its origin at (-109, -127, -89) mm."""
        affine = np.diag([self.spacing] * 3 + [1.0])
        affine[:3, 3] = np.subtract(CENTRE, self.spacing * (np.array(self.shape) - 1) / 2)
        return affine


def fits(shape: tuple[int, ...], affine: np.ndarray, grid: Grid, recipe: int = NEWEST) -> bool:
    """Tells whether a volume is taken as it lies: it has the grid's shape, spacing, axes and, by recipe 2, origin."""
    relative = (affine - grid.affine)[:3] / grid.spacing  # differences in voxels, [3, 4]
    compared = relative[:, :3] if recipe == 1 else relative
    return shape == grid.shape and bool((abs(compared) <= TOLERANCE).all())


def has_origin(shape: tuple[int, ...], affine: np.ndarray) -> bool:
    """Tells whether an affine says where a volume lies.

    It does not if 0 mm is at the centre of a corner voxel, where programs put it that know no origin, or in the middle
    of the volume, where readers put it if the header has none: (size - 1) / 2 or, in FreeSurfer, size / 2 voxels from
    the end of each axis. All are compared to TOLERANCE of a voxel.
    """
    last = np.array(shape) - 1
    zero = np.linalg.solve(affine, [0.0, 0.0, 0.0, 1.0])[:3]  # the voxel index of 0 mm
    from_middle = abs(zero - last / 2)
    at_corner = abs(from_middle - last / 2) <= TOLERANCE
    in_middle = np.minimum(from_middle, abs(from_middle - 0.5)) <= TOLERANCE
    return not (at_corner.all() or in_middle.all())


def place(shape: tuple[int, ...], affine: np.ndarray, recipe: int) -> np.ndarray:
    """Returns the affine that says where a volume is taken to lie.

    It is the volume's own or, if that has no origin, one that puts its middle at CENTRE; recipe 1 always takes its own.
    """
    if recipe == 1 or has_origin(shape, affine):
        return affine
    centred = affine.copy()
    centred[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return centred


def covers(shape: tuple[int, ...], affine: np.ndarray, grid: Grid) -> bool:
    """Tells whether all voxels of the grid lie within a volume's field of view."""
    to_voxels = np.linalg.inv(affine) @ grid.affine
    corners = (to_voxels @ corners_of([(0, size - 1) for size in grid.shape]))[:3]  # voxels of the volume, [3, 8]
    last = np.array(shape)[:, None] - 1
    return bool(((corners >= -TOLERANCE) & (corners <= last + TOLERANCE)).all())


def corners_of(ends) -> np.ndarray:
    """Returns the corners, homogeneous [4, 8], of a box from ends[i][0] to ends[i][1] along each axis i."""
    return np.array(np.meshgrid(*ends, [1], indexing="ij")).reshape(4, -1)
