"""Prepares a raw T1 scan: removes its bias field, registers it to the template, strips its skull, resamples it."""

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from dynjax.percent import percent
from dynjax.preprocess.bias import log_bias, without
from dynjax.preprocess.image import shrink, to_array, to_image
from dynjax.preprocess.registration import find_rough, matrix_of, refine
from dynjax.preprocess.template import load_template
from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import Volume
from dynjax.volumes.outliers import STRIPPED
from dynjax.volumes.reading import Reading
from dynjax.volumes.resampling import resample, resample_smoothly
from dynjax.volumes.template import LEAST_ALIKE, correlate

RECIPE = 1  # raise it whenever the same scan gives another result
BRIGHTEST = 99.5  # percentile of the scan; fat and vessels above it would take most of the histogram
MEAN = 1000.0  # of the brain's voxels in the result: raw intensities have no unit
SMALLEST_VIEW = 80.0  # mm along any axis: no brain is smaller
LEAST_COVERED = 0.95  # share of the brain that the scan's field of view must cover


class Prepared(NamedTuple):
    """A prepared scan on the grid, [X, Y, Z]. head: float32 without bias, mean MEAN in the brain. brain: bool.

    template: float32, 0 to 1. matrix: scan to MNI, mm to mm, float64 [4, 4]. similarity: correlation with the template
    within the template's brain.
    """

    head: np.ndarray
    brain: np.ndarray
    template: np.ndarray
    matrix: np.ndarray
    similarity: float

    @property
    def volume(self) -> np.ndarray:
        """The prepared volume, int16 [X, Y, Z], 0 outside the brain and only there."""
        inside = np.clip(np.rint(self.head), 1, np.iinfo(np.int16).max)
        return np.where(self.brain, inside, 0).astype(np.int16)


def prepare_volume(raw: Volume, reading: Reading) -> Prepared:
    """Prepares a scan by N4, an affine registration to MNI space and one resampling.

    The brain's mask is the template's, or the scan's own if it has no skull. Raises: RefusedVolume.
    """
    view = np.linalg.norm(raw.affine[:3, :3], axis=0) * raw.data.shape
    if view.min() < SMALLEST_VIEW:
        raise RefusedVolume("field of view", f"its field of view is {' x '.join(f'{side:.0f}' for side in view)} mm")
    brightest = np.percentile(raw.data, BRIGHTEST)
    if not brightest > 0:
        raise RefusedVolume("registration", "it cannot be registered: nothing in it is as large as a head")
    try:
        return _prepare(Volume(raw.data / brightest, raw.affine), reading)
    except RuntimeError as error:  # ITK raises it for images unlike a head
        text = str(error).strip().splitlines()[-1]
        raise RefusedVolume("registration", f"it cannot be registered ({text})") from None


def _prepare(raw: Volume, reading: Reading) -> Prepared:
    """Prepares a scan whose intensities are scaled to BRIGHTEST; higher ones are clipped for the registration."""
    grid, sample = reading.grid, resample if reading.recipe == 1 else resample_smoothly
    template = load_template()
    scan = shrink(to_image(np.clip(raw.data, 0, 1), raw.affine), 2.0)
    rough = find_rough(scan, template)
    bias = log_bias(scan, sitk.Resample(template.near, scan, rough.GetInverse(), sitk.sitkNearestNeighbor))
    affine = refine(without(scan, bias), template, rough)
    matrix = matrix_of(affine)
    like = to_image(np.zeros(grid.shape, np.float32), grid.affine)
    head = sample(raw.data, matrix @ raw.affine, grid) / np.exp(to_array(_on(like, bias, affine)))
    expected, wanted = to_array(_on(like, template.brain)) > 0.5, to_array(_on(like, template.image))
    similarity = correlate(head[expected], wanted[expected])
    covered = resample(np.ones_like(raw.data), matrix @ raw.affine, grid)[expected].mean()
    if similarity < LEAST_ALIKE:
        raise RefusedVolume(
            "registration", f"it cannot be registered: its correlation with the template is {similarity:.2f}"
        )
    if covered < LEAST_COVERED:
        raise RefusedVolume("field of view", f"{percent(1 - covered)} of the brain lies outside its field of view")
    brain = _own_brain(raw, matrix, grid) if _is_stripped(raw) else expected
    return Prepared(head * (MEAN / head[brain].mean()), brain, wanted, matrix, similarity)


def _is_stripped(raw: Volume) -> bool:
    """Tells whether the nonzero voxels fill no more than a brain."""
    return np.count_nonzero(raw.data) * abs(np.linalg.det(raw.affine[:3, :3])) / 1e6 < STRIPPED


def _own_brain(raw: Volume, matrix: np.ndarray, grid: Grid) -> np.ndarray:
    return resample((raw.data != 0).astype(np.float32), matrix @ raw.affine, grid) > 0.5


def _on(like: sitk.Image, image: sitk.Image, transform: sitk.Transform | None = None) -> sitk.Image:
    """Resamples an image onto the voxels of another, in float32; the transform maps from `like` to `image`."""
    return sitk.Resample(sitk.Cast(image, sitk.sitkFloat32), like, transform or sitk.Transform(), sitk.sitkLinear, 0.0)
