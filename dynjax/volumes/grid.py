"""The grid onto which volumes are resampled: by default 110 x 110 x 110 voxels of 2 mm, centred in MNI space."""

from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.processing import resample_from_to

CENTRE = (0.0, -18.0, 20.0)  # mm, MNI: the middle of the field of view of ADNI's 110-voxel derivatives
TOLERANCE = 0.01  # largest difference, relative to a voxel, of spacing or axis direction from the grid's


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


def fits(shape: tuple[int, ...], affine: np.ndarray, grid: Grid) -> bool:
    """Tells whether a volume has the grid's shape, spacing and axes; its origin is left to registration."""
    return shape == grid.shape and bool(np.allclose(affine[:3, :3] / grid.spacing, np.eye(3), rtol=0, atol=TOLERANCE))


def resample(data: np.ndarray, affine: np.ndarray, grid: Grid) -> np.ndarray:
    """Resamples a volume linearly onto the grid, 0 outside the volume: float32 [X, Y, Z], x fastest in memory."""
    image = resample_from_to(nibabel.Nifti1Image(data, affine), (grid.shape, grid.affine), order=1, mode="constant")
    return np.asfortranarray(image.dataobj, np.float32)
