"""Makes raw T1 scans of synthetic subjects: phantoms with skull and neck, a known affine, bias and noise."""

from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dynjax.cohort.phantom.anatomy import AFFINE, load_anatomy
from dynjax.cohort.phantom.subject import brain_of_scan, draw_subjects, render_scan

SEED = 0
BELOW = 45  # voxels of 2 mm that the neck adds below a phantom's field of view
TURN, SHIFT, SCALE, SHEAR = 15.0, 20.0, 1.1, 0.03  # degrees about a random axis, mm, largest along each axis, largest
BIAS, NOISE = 0.25, 15.0  # deviation of the field's logarithm; of the noise, where grey matter is about 600
KINDS = (  # axis codes and voxel sizes in mm of different scanners
    ("PSR", (1.0, 1.0, 1.2)), ("RAS", (1.0, 1.0, 1.0)), ("LPS", (0.94, 0.94, 1.5)), ("ASL", (1.25, 1.25, 1.2)),
    ("LIP", (1.0, 1.2, 1.0)), ("SRA", (1.3, 1.0, 1.0)), ("IPL", (1.0, 1.0, 1.0)), ("LAS", (1.1, 1.1, 1.1)),
)  # fmt: skip


class RawScan(NamedTuple):
    """A raw scan with its ground truth. image: int16 NIfTI. brain: bool [110, 110, 110], on the phantom's grid.

    moved: from the scan to the phantom, mm to mm, float64 [4, 4]. own: the best affine from the phantom to the
    template, for the subject's own size and position, likewise. label: of the synthetic subject.
    """

    image: nibabel.Nifti1Image
    brain: np.ndarray
    moved: np.ndarray
    own: np.ndarray
    label: str


def raw_scan(number: int, subjects: int = 100, coarser: float = 1.0) -> RawScan:
    """Makes the first visit's scan of a phantom subject as a scanner might, with voxels `coarser` times as large."""
    rng = np.random.default_rng([SEED, number])
    subject, anatomy = draw_subjects(subjects, SEED)[number], load_anatomy()
    head, affine = _with_neck(render_scan(subject, 0, SEED, anatomy, skull=True))
    codes, spacing = KINDS[number % len(KINDS)]
    grid = _grid(tuple(coarser * side for side in spacing))
    moved = _movement(rng)
    image = _seen(head, affine, moved, *grid)
    image *= np.exp(_bias(rng, image.shape))
    image = np.hypot(image + rng.normal(0, NOISE, image.shape), rng.normal(0, NOISE, image.shape))
    nifti = nibabel.Nifti1Image(image.astype(np.int16), grid[1])
    nifti.header.set_xyzt_units("mm")
    turned = nifti.as_reoriented(ornt_transform(io_orientation(grid[1]), axcodes2ornt(codes)))
    brain, warp = brain_of_scan(subject, 0, SEED, anatomy)
    still, template = points(np.argwhere(brain)), points(warp[:, brain].T)
    own = np.linalg.lstsq(still, template, rcond=None)[0].T
    return RawScan(turned, brain, moved, own, subject.label)


def _with_neck(head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adds a neck of muscle and fat, which a phantom's field of view lacks; returns the volume and its affine."""
    affine = AFFINE.copy()
    affine[2, 3] -= 2 * BELOW
    head = np.pad(head.astype(np.float32), ((0, 0), (0, 0), (BELOW, 0)))
    x, y, z = (affine[axis, axis] * place + affine[axis, 3] for axis, place in enumerate(np.indices(head.shape)))
    radius = np.hypot(x / 55, (y + 40) / 65)
    neck = np.where(radius < 0.9, 450.0, 950.0) * ((radius < 1) & (z < -60))
    return np.where(head > 150, head, neck).astype(np.float32), affine


def _grid(spacing: tuple[float, ...]) -> tuple[tuple[int, ...], np.ndarray]:
    """Returns shape and affine of a field of view of 190 x 256 x 240 mm around the scanner's centre."""
    shape = tuple(round(extent / side) for extent, side in zip((190, 256, 240), spacing))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.multiply(spacing, np.subtract(shape, 1)) / 2 - (0, 0, 20)
    return shape, affine


def _movement(rng: np.random.Generator) -> np.ndarray:
    """Draws an affine from scanner to phantom, mm to mm, float64 [4, 4]."""
    axis, shift = rng.normal(size=3), rng.normal(size=3)
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = rng.uniform(-SHEAR, SHEAR, 3)
    moved = np.eye(4)
    turn = Rotation.from_rotvec(np.radians(TURN) * axis / np.linalg.norm(axis)).as_matrix()
    moved[:3, :3] = turn @ np.diag(SCALE ** rng.uniform(-1, 1, 3)) @ shear
    moved[:3, 3] = SHIFT * shift / np.linalg.norm(shift) + (0, -18, 0)
    return moved


def _seen(head, affine, moved, shape, scanner) -> np.ndarray:
    voxels = np.linalg.inv(affine) @ moved @ scanner
    return ndimage.affine_transform(head, voxels[:3, :3], voxels[:3, 3], shape, order=1)


def _bias(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draws a smooth field from polynomials up to degree 2, the logarithm of a bias field."""
    x, y, z = np.ogrid[tuple(slice(-1, 1, 1j * size) for size in shape)]
    field = sum(rng.normal() * term for term in (x, y, z, x * y, y * z, x * z, x**2, y**2, z**2)) + np.zeros(shape)
    return field * (BIAS / field.std())


def points(voxels: np.ndarray) -> np.ndarray:
    """Converts voxels [n, 3] of the phantom's grid to homogeneous points in mm, [n, 4]."""
    return np.c_[voxels, np.ones(len(voxels))] @ AFFINE.T
