"""Loads the template, nilearn's copy of the ICBM 2009a symmetric brain (Fonov et al. 2011), which has no skull."""

import functools
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from dynjax.preprocess.image import to_image


class Template(NamedTuple):
    """The template in MNI space, voxels of 1 mm.

    image: float32, 0 outside the brain. brain: its mask, uint8. near: the mask grown by NEAR mm, uint8.
    """

    image: sitk.Image
    brain: sitk.Image
    near: sitk.Image


NEAR = 4.0  # mm


def load_template() -> Template:
    """Returns new images on every call: ITK's filters write to their inputs, so that threads must not share them."""
    *volumes, affine = _read()
    return Template(*(to_image(volume, affine) for volume in volumes))


@functools.cache
def _read() -> tuple[np.ndarray, ...]:
    from nilearn import datasets  # slow to import

    image, mask = datasets.load_mni152_template(resolution=1), datasets.load_mni152_brain_mask(resolution=1)
    brain = np.asarray(mask.dataobj) > 0
    near = ndimage.distance_transform_edt(~brain) <= NEAR
    return image.get_fdata(dtype=np.float32), brain.astype(np.uint8), near.astype(np.uint8), image.affine
