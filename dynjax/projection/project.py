"""One volume to one image, by any of the conversions that the paper compares or builds on."""

from collections.abc import Callable

import numpy as np

from dynjax.projection.dynamic import AXES, dynamic_image
from dynjax.projection.exact import rank_svm, rank_svr

PUBLIC_CODES_C = 10.0  # of the regression, in the codes that make dynamic images from pixels


def project(volume: np.ndarray, name: str = "dynamic", axis: str = "axial", weights: str = "simple") -> np.ndarray:
    """Projects a volume [X, Y, Z] along an axis.

    Args:
      name: 'dynamic', approximate rank pooling with `weights`; 'max' or 'mean' of the voxels along the axis; 'ranksvm'
        or 'svr', exact rank pooling, of the slices divided by the volume's largest magnitude.
      axis: 'axial', 'coronal' or 'sagittal'; 'triplanar' gives the images of all three, in this order, as channels.

    Returns: float32 [H, W], the two remaining axes in their order; [H, W, 3] for 'triplanar', of a cube alone.
    """
    if axis == "triplanar":
        return np.stack([project(volume, name, each, weights) for each in ("axial", "coronal", "sagittal")], axis=-1)
    if name == "dynamic":
        return np.asarray(dynamic_image(volume, axis, weights))
    return POOLINGS[name](volume, AXES[axis]).astype(np.float32)


def image_shape(volume: tuple[int, ...], axis: str = "axial") -> tuple[int, ...]:
    """That of what `project` gives for a volume of this shape."""
    if axis == "triplanar":
        return (*volume[:2], 3)
    return tuple(size for position, size in enumerate(volume) if position != AXES[axis])


def _ranked(rank: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray, int], np.ndarray]:
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
WHOLE = ("learned", "none")  # the network itself takes in the volume, to pool it or as it is
PLANES = (*AXES, "triplanar")
