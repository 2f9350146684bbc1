"""The scale of one scan's images, held still: what is compared with the scan is scaled as the scan is."""

from typing import NamedTuple

import numpy as np

from dynjax.projection.scale import IMAGENET_DEVIATION, IMAGENET_MEAN


class Window(NamedTuple):
    """The minimum and the extent by which raw images, or a volume, are scaled, broadcastable to them, and the scale.

    scale: one of SCALES, or '' for whole volumes. 'byte' is not truncated: its steps have no slope.
    """

    low: np.ndarray
    extent: np.ndarray
    scale: str

    def inputs(self, raw: np.ndarray) -> np.ndarray:
        """Returns the network's input of raw images [.., H, W], or [H, W, 3] of three planes, or a volume: float32."""
        unit = (raw - self.low) / np.where(self.extent == 0, 1, self.extent)
        unit = unit if self._is_coloured(raw) else unit[..., None]
        if self.scale == "byte":
            unit = unit * 255
        elif self.scale == "imagenet":
            unit = (unit - IMAGENET_MEAN) / IMAGENET_DEVIATION
        empty = self.extent == 0 if self._is_coloured(raw) else (self.extent == 0)[..., None]
        return np.where(empty, 0, unit).astype(np.float32)

    def by_raw(self, gradient: np.ndarray) -> np.ndarray:
        """Returns the derivative by the raw images, of their shape, given that by the input."""
        if self.scale == "byte":
            gradient = gradient * 255
        elif self.scale == "imagenet":
            gradient = gradient / IMAGENET_DEVIATION
        is_coloured = self.low.shape[-1] == 3
        gradient = gradient if is_coloured else gradient.sum(-1)
        return np.where(self.extent == 0, 0, gradient / np.where(self.extent == 0, 1, self.extent))

    def _is_coloured(self, raw: np.ndarray) -> bool:
        return self.low.shape[-1] == 3 and raw.shape[-1] == 3


def window_of(raw: np.ndarray, slabs: int, scale: str) -> Window:
    """Returns the window of a scan's raw image [H, W], views [V, H, W] or planes as channels [H, W, 3].

    The slabs of a plane have one minimum and maximum, as `scale_views` gives them.
    """
    if raw.ndim == 2 or raw.shape[-1] == 3:
        low, high = raw.min((0, 1), keepdims=True), raw.max((0, 1), keepdims=True)
    else:
        planes = raw.reshape(-1, slabs, *raw.shape[1:])
        low, high = (np.repeat(part((1, 2, 3)), slabs)[:, None, None] for part in (planes.min, planes.max))
    return Window(low.astype(np.float32), (high - low).astype(np.float32), scale)


def window_of_volume(volume: np.ndarray) -> Window:
    """Returns the window by which a whole volume [X, Y, Z] is divided by its maximum."""
    return Window(np.zeros((1, 1, 1), np.float32), np.full((1, 1, 1), volume.max() or 1, np.float32), "")
