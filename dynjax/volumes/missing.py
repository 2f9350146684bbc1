"""Replaces NaN outside the brain of a masked scan by 0."""

import numpy as np
from scipy import ndimage

from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.resampling import faces

MOST_VOXELS = 2**24  # 256 x 256 x 256: the most that can be labelled in little memory
MASKED = 0.5  # a scan is masked if at least this share of the voxels on its six faces is 0 or NaN


def zero_outside(data: np.ndarray) -> np.ndarray:
    """Replaces by 0 every NaN of a masked volume that is connected to its faces through 0 and NaN.

    Args and result: float32 [X, Y, Z]. Raises: RefusedVolume if a NaN is inside the brain, or if the volume is not
    masked, so that its brain is unknown.
    """
    missing = np.isnan(data)
    count = int(np.count_nonzero(missing))
    check_size(data.size, count)
    background = missing | (data == 0)
    if np.mean(faces(background)) < MASKED:
        raise RefusedVolume("NaN", f"{count} of its voxels are NaN, and it is not masked")
    labels, number = ndimage.label(background)  # [X, Y, Z], 0 for the brain
    outside = np.zeros(number + 1, bool)  # for each label, whether it reaches a face
    outside[faces(labels)] = True
    outside[0] = False
    inside = np.count_nonzero(missing & ~outside[labels])
    if inside:
        raise RefusedVolume("NaN", f"{inside} of its voxels inside the brain are NaN")
    return np.where(missing, np.float32(0), data)


def check_size(voxels: int, missing: int) -> None:
    """Checks that a volume is small enough to label. Raises: RefusedVolume for more voxels than MOST_VOXELS."""
    if voxels > MOST_VOXELS:
        raise RefusedVolume("too large", f"{missing} of its voxels are NaN, and it is too large to tell where")
