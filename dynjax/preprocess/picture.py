"""Draws a picture that shows whether a scan was registered and masked correctly."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from dynjax.preprocess.steps import Prepared

ENLARGED = 3  # pixels a voxel
BRAIN, TISSUE = (255, 60, 60), (80, 220, 255)  # red: outline of the brain's mask; cyan: of the template's white matter
WHITE_MATTER = 0.75  # threshold, relative to the template's brightest voxels
WHITEST = 99.5  # percentile of the head that is drawn white


def draw(prepared: Prepared) -> np.ndarray:
    """Draws an axial, a coronal and a sagittal plane through the middle of the brain, uint8 [rows, columns, 3].

    The outline of the mask is red. The outline of the template's white matter is cyan and should follow the scan's.
    """
    middle = [round(float(where.mean())) for where in np.nonzero(prepared.brain)]
    planes = [_plane(prepared, axis, middle[axis]) for axis in (2, 1, 0)]
    height = max(len(plane) for plane in planes)
    padded = [np.pad(plane, ((0, height - len(plane)), (0, 0), (0, 0))) for plane in planes]  # black below
    return np.hstack(padded)


def write_picture(picture: np.ndarray, path: Path) -> None:
    """Writes a picture, uint8 [rows, columns, 3], in the format of the path's suffix."""
    sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), path)


def _plane(prepared: Prepared, axis: int, position: int) -> np.ndarray:
    head = prepared.head / np.percentile(prepared.head, WHITEST)
    grey = _seen(np.clip(255 * head, 0, 255), axis, position)
    colours = np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)  # [rows, columns, 3]
    colours[_outline(_seen(prepared.template, axis, position) > WHITE_MATTER)] = TISSUE
    colours[_outline(_seen(prepared.brain.astype(np.float32), axis, position) > 0.5)] = BRAIN
    return colours


def _seen(volume: np.ndarray, axis: int, position: int) -> np.ndarray:
    """Returns an enlarged plane, [rows, columns], with its first axis to the right and its second axis upward."""
    plane = volume.take(position, axis).T[::-1]
    return ndimage.zoom(plane, ENLARGED, order=1, grid_mode=True, mode="nearest")


def _outline(region: np.ndarray) -> np.ndarray:
    return region & ~ndimage.binary_erosion(region)
