"""Converts stored voxels to their values, some slices at a time, while they lie in the processor's cache."""

import io
import math
from collections.abc import Callable

import numpy as np
from nibabel.arrayproxy import ArrayProxy

from dynjax.volumes.header import VoxelLayout

BLOCK = 2**18  # bytes of voxels converted at a time: fits a processor's cache
LINE = 16  # slices converted at a time where they do not lie one after the other in memory: fill lines of the cache
ALIGNED = 64  # bytes: JAX takes an array that begins at a multiple of it as it lies, and copies others


def empty_volume(shape: tuple[int, ...]) -> np.ndarray:
    """Allocates float32 voxels, x fastest in memory, where JAX takes them without a copy."""
    buffer = np.empty(4 * math.prod(shape) + ALIGNED, np.uint8)
    start = -buffer.ctypes.data % ALIGNED
    return buffer[start : start + 4 * math.prod(shape)].view(np.float32).reshape(shape, order="F")


def fill(data: np.ndarray, layout: VoxelLayout, read: Callable[[int], bytes]) -> None:
    """Fills an array [X, Y, Z], whose axes are those of the file, with the values of all voxels.

    Args: read, returns the next bytes of voxels.
    """
    plane = math.prod(layout.shape[:2]) * layout.dtype.itemsize  # bytes
    is_apart = abs(data.strides[2]) == max(map(abs, data.strides))  # whether slices lie one after the other
    together = max(BLOCK // plane, 1 if is_apart else LINE)
    for start in range(0, layout.shape[2], together):
        slices = data[:, :, start : start + together]
        voxels(layout, read(plane * slices.shape[2]), slices.shape, out=slices)


def voxels(layout: VoxelLayout, data: bytes, shape: tuple[int, ...], out: np.ndarray | None = None) -> np.ndarray:
    """Converts stored voxels to their values, float32 of the given shape, in `out` if that is given."""
    out = np.empty(shape, np.float32, order="F") if out is None else out
    with np.errstate(over="ignore", invalid="ignore"):  # too large for float32: becomes infinite, and is refused
        if _are_values(layout):
            out[...] = np.frombuffer(data, layout.dtype).reshape(shape, order="F")
        else:
            stored = (shape, layout.dtype, 0, layout.slope, layout.inter)
            out[...] = np.asanyarray(ArrayProxy(io.BytesIO(data), stored), np.float32)
    return out


def _are_values(layout: VoxelLayout) -> bool:
    """Tells whether stored voxels are values; nibabel rounds integers of eight bytes to float64 first."""
    return (layout.slope, layout.inter) == (1, 0) and (layout.dtype.kind == "f" or layout.dtype.itemsize < 8)
