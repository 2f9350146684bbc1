"""Keeps a map's sum and shape when it is resampled as a density."""

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dynjax.volumes.density import resample_density
from dynjax.volumes.grid import CENTRE, Grid

GRID = Grid((24, 26, 22), 2.0)
FINE, SAME = (1, 1, 1.2), (28, 30, 26)
OBLIQUE = (8, -12, 15)


def affine_of(sides, shape, degrees=(0, 0, 0), flips=(1, 1, 1), shear=0.0) -> np.ndarray:
    """Voxels of the given sides around the grid's centre, a little off it."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ np.diag(np.multiply(sides, flips))
    affine[:3, 1] += shear * affine[:3, 0]
    affine[:3, 3] = CENTRE + np.array([0.7, -1.1, 0.4]) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


GEOMETRIES = {
    "finer": ((0.7, 1, 1.2), (95, 70, 60), (0, 0, 0), 0),
    "coarser": ((4, 5, 6), (17, 15, 12), (0, 0, 0), 0),
    "finer, turned": ((0.7, 1, 1.2), (120, 90, 70), OBLIQUE, 0),
    "coarser, turned": ((4, 5, 6), (21, 18, 15), OBLIQUE, 0),
    "thick slices, sheared": ((1.3, 1.3, 6), (60, 62, 15), (0, 0, 3), 0.2),
}


@pytest.mark.parametrize("sides, shape, degrees, shear", GEOMETRIES.values(), ids=GEOMETRIES)
def test_the_sum_of_noise_is_kept_whatever_the_voxels(sides, shape, degrees, shear):
    """Noise has all frequencies: what samples it too rarely does not keep its sum."""
    noise = np.random.default_rng(0).normal(1, 10, GRID.shape).astype(np.float32)
    affine = affine_of(sides, shape, degrees, shear=shear)
    density = resample_density(noise, GRID, shape, affine)
    assert density.shape == shape and density.dtype == np.float32 and density.flags.f_contiguous
    total = density.sum(dtype=float) * np.linalg.det(affine[:3, :3])
    assert total == pytest.approx(noise.sum(dtype=float), rel=0.01 if any(degrees) else 1e-5)


@pytest.mark.parametrize("sides, shape, degrees, shear", GEOMETRIES.values(), ids=GEOMETRIES)
def test_a_slope_stays_a_slope(sides, shape, degrees, shear):
    """Interpolation is linear, and a mean over a voxel is that at its centre."""
    places = np.indices(GRID.shape).T  # grid's voxels, [Z, Y, X, 3]
    slope = (8 * (3 + places @ [1.0, 2.0, -0.5])).T.astype(np.float32)
    affine = affine_of(sides, shape, degrees, shear=shear)
    density = resample_density(slope, GRID, shape, affine)
    to_grid = np.linalg.inv(GRID.affine) @ affine
    centres = nibabel.affines.apply_affine(to_grid, np.indices(shape).reshape(3, -1).T)
    reach = abs(to_grid[:3, :3]).sum(1) / 2  # of a voxel, in the grid's
    inside = ((centres > reach) & (centres < np.array(GRID.shape) - 1 - reach)).all(1)
    assert inside.sum() > 100
    np.testing.assert_allclose(density.reshape(-1)[inside], 3 + centres[inside] @ [1, 2, -0.5], atol=1e-4)
    far = ((centres < -1 - reach) | (centres > np.array(GRID.shape) + reach)).any(1)
    assert (density.reshape(-1)[far] == 0).all()


@pytest.mark.parametrize("sides", [(1.9, 1.7, 1.8), (0.8, 1.3, 5)])
def test_the_sum_of_a_single_voxel_is_kept_by_turned_voxels_of_any_size(sides):
    affine = affine_of(sides, SAME, (0.3, 0.4, -0.5))
    for place in ((9, 14, 12), (11, 12, 10), (12, 13, 11), (14, 11, 9)):
        single = np.zeros(GRID.shape, np.float32)
        single[place] = 5
        total = resample_density(single, GRID, SAME, affine).sum(dtype=float) * np.linalg.det(affine[:3, :3])
        assert total == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize("degrees", [(0, 0, 0), OBLIQUE])
def test_a_map_of_zeros_stays_one(degrees):
    assert not resample_density(np.zeros(GRID.shape, np.float32), GRID, SAME, affine_of(FINE, SAME, degrees)).any()
