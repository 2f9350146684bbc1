"""NaN where a masked scan has no brain: 0 in its place."""

import numpy as np
from scipy import ndimage

from dynjax.volumes.finding import RefusedVolume

MOST_VOXELS = 2**24  # 256 x 256 x 256: what can be labelled in little memory
MASKED = 0.5  # of the voxels on the six faces are 0 or NaN, at least, where a scan is masked


def zero_outside(data: np.ndarray) -> np.ndarray:
    """A masked volume float32 [X, Y, Z] with 0 for every NaN that is connected to its faces through 0 and NaN.

    Raises: RefusedVolume if a NaN lies inside the brain or if the volume is not masked, so that nobody knows.
    """
    missing = np.isnan(data)
    count = int(np.count_nonzero(missing))
    check_size(data.size, count)
    background = missing | (data == 0)
    if np.mean(_faces(background)) < MASKED:
        raise RefusedVolume("NaN", f"{count} of its voxels are NaN, and it is not masked")
    labels, number = ndimage.label(background)
    outside = np.zeros(number + 1, bool)
    outside[_faces(labels)] = True
    outside[0] = False  # the brain
    inside = np.count_nonzero(missing & ~outside[labels])
    if inside:
        raise RefusedVolume("NaN", f"{inside} of its voxels inside the brain are NaN")
    return np.where(missing, np.float32(0), data)


def check_size(voxels: int, missing: int) -> None:
    """Raises: RefusedVolume for more voxels than can be labelled in little memory."""
    if voxels > MOST_VOXELS:
        raise RefusedVolume("too large", f"{missing} of its voxels are NaN, and it is too large to say where they lie")


def _faces(volume: np.ndarray) -> np.ndarray:
    return np.concatenate([volume.take(end, axis).ravel() for axis in range(3) for end in (0, -1)])
