"""Projects a volume to an image by any of the methods that the paper compares or builds on."""

from collections.abc import Callable

import numpy as np

from dynjax.projection.dynamic import AXES, dynamic_image
from dynjax.projection.exact import rank_svm, rank_svr

PUBLIC_CODES_C = 10.0  # the C of `rank_svr` in public code that makes dynamic images from pixels


def project(volume: np.ndarray, name: str = "dynamic", axis: str = "axial", weights: str = "simple") -> np.ndarray:
    """Projects a volume [X, Y, Z] along an axis.

    Args:
      volume: [X, Y, Z] in RAS+; a cube for 'triplanar'.
      name: 'dynamic', approximate rank pooling with `weights`; 'max' or 'mean' of the voxels along the axis; 'ranksvm'
        or 'svr', exact rank pooling of the slices divided by the volume's largest magnitude.
      axis: 'axial', 'coronal' or 'sagittal'; 'triplanar' gives the images of all three, in this order, as channels.
      weights: a family of `rank_pooling_weights`, used by 'dynamic' only.

    Returns: float32 [H, W], the two remaining axes in their order; [H, W, 3] for 'triplanar'.
    """
    if axis == "triplanar":
        return np.stack([project(volume, name, each, weights) for each in ("axial", "coronal", "sagittal")], axis=-1)
    if name == "dynamic":
        return np.asarray(dynamic_image(volume, axis, weights))
    return POOLINGS[name](volume, AXES[axis]).astype(np.float32)


def image_shape(volume: tuple[int, ...], axis: str = "axial") -> tuple[int, ...]:
    """Returns the shape of the image that `project` makes of a volume of this shape."""
    if axis == "triplanar":
        return (*volume[:2], 3)
    return tuple(size for position, size in enumerate(volume) if position != AXES[axis])


def _ranked(rank: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray, int], np.ndarray]:
    """Turns a ranking of frames [T, D] into a pooling of a volume along one of its axes."""

    def pool(volume: np.ndarray, position: int) -> np.ndarray:
        slices = np.moveaxis(volume, position, 0)
        largest = np.abs(volume).max() or 1.0
        return rank(slices.reshape(len(slices), -1) / largest).reshape(slices.shape[1:])

    return pool


POOLINGS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "max": lambda volume, position: volume.max(position),
    "mean": lambda volume, position: volume.mean(position, dtype=np.float64),
    "ranksvm": _ranked(rank_svm),
    "svr": _ranked(lambda frames: rank_svr(frames, PUBLIC_CODES_C)),
}
PROJECTIONS = ("dynamic", *POOLINGS)
WHOLE = ("learned", "none")  # the input of the network is the volume: it learns to pool it, or is a 3D network
PLANES = (*AXES, "triplanar")
