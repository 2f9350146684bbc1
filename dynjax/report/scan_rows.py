"""Puts an ordinary slice of a scan beside the images that a network sees of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dynjax.projection.dynamic import AXES
from dynjax.projection.project import AXES_IN_ORDER, TRIPLANAR, WHOLE

SIGNED = ("dynamic", "ranksvm", "svr")  # projections that are 0 where brightness does not change


class ScanRow(NamedTuple):
    """A slice of a scan, [X, Y], and the images of the same plane beside it, each [X, Y]; none if volumes are seen.

    axis: along which the plane is seen. is_signed: whether the images are 0 where brightness does not change.
    """

    axis: str
    slice: np.ndarray
    images: Sequence[np.ndarray]
    is_signed: bool


def scan_rows(volume: np.ndarray, images: np.ndarray, name: str, axis: str, slabs: int) -> list[ScanRow]:
    """Returns a row for each plane of each projection.

    Args:
        volume: [X, Y, Z] in RAS+.
        images: what `project` makes of it by `name`, `axis` and `slabs`; anything if volumes are seen.
    """
    if name in WHOLE:
        return [ScanRow("axial", middle_slice(volume, "axial"), [], False)]
    if axis == TRIPLANAR:
        views = np.moveaxis(images, -1, 0)[:, None]  # [3, 1, X, Y]
        planes = [(name, each) for each in AXES_IN_ORDER]
    else:
        planes = [(each, plane) for each in name.split("+") for plane in axis.split("+")]
        views = images.reshape(len(planes), slabs, *images.shape[-2:])
    return [
        ScanRow(plane, _fitted(middle_slice(volume, plane), own.shape[1:], volume.min()), list(own), each in SIGNED)
        for (each, plane), own in zip(planes, views)
    ]


def middle_slice(volume: np.ndarray, axis: str) -> np.ndarray:
    """Returns the middle slice of a volume [X, Y, Z] along an axis, with the two others in their order."""
    return volume.take(volume.shape[AXES[axis]] // 2, AXES[axis])


def _fitted(image: np.ndarray, shape: tuple[int, ...], background: float) -> np.ndarray:
    """Surrounds an image [X, Y] by background to the shape, with the image in the middle, as `project` does."""
    missing = [want - have for want, have in zip(shape, image.shape)]
    return np.pad(image, [(lack // 2, lack - lack // 2) for lack in missing], constant_values=background)
