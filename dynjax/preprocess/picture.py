"""A picture by which to see whether a scan was registered and masked as it should be."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from dynjax.preprocess.steps import Prepared

ENLARGED = 3  # pixels a voxel
BRAIN, TISSUE = (255, 60, 60), (80, 220, 255)  # red and cyan: the brain's mask, the template's white matter
WHITE_MATTER = 0.75  # of the template's brightest voxels
WHITEST = 99.5  # percentile of the head


def draw(prepared: Prepared) -> np.ndarray:
    """uint8 [rows, columns, 3]: the head from above, from the front and from the side, each through the brain's middle.

    Red is the outline of the mask, cyan that of the template's white matter, which should follow the scan's.
    """
    middle = [round(float(where.mean())) for where in np.nonzero(prepared.brain)]
    planes = [_plane(prepared, axis, middle[axis]) for axis in (2, 1, 0)]
    height = max(len(plane) for plane in planes)
    return np.hstack([np.pad(plane, ((0, height - len(plane)), (0, 0), (0, 0))) for plane in planes])


def write_picture(picture: np.ndarray, path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), path)


def _plane(prepared: Prepared, axis: int, position: int) -> np.ndarray:
    head = prepared.head / np.percentile(prepared.head, WHITEST)
    grey = _seen(np.clip(255 * head, 0, 255), axis, position)
    colours = np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)
    colours[_outline(_seen(prepared.template, axis, position) > WHITE_MATTER)] = TISSUE
    colours[_outline(_seen(prepared.brain.astype(np.float32), axis, position) > 0.5)] = BRAIN
    return colours


def _seen(volume: np.ndarray, axis: int, position: int) -> np.ndarray:
    """A plane, enlarged, the first remaining axis to the right and the second one upward."""
    plane = volume.take(position, axis).T[::-1]
    return ndimage.zoom(plane, ENLARGED, order=1, grid_mode=True, mode="nearest")


def _outline(region: np.ndarray) -> np.ndarray:
    return region & ~ndimage.binary_erosion(region)
