"""Projects a volume to an image by any of the methods that the paper compares or builds on."""

from collections.abc import Callable

import numpy as np

from dynjax.projection.dynamic import AXES, dynamic_image
from dynjax.projection.exact import rank_svm, rank_svr

AXES_IN_ORDER = ("axial", "coronal", "sagittal")
TRIPLANAR = "triplanar"
PUBLIC_CODES_C = 10.0  # the C of `rank_svr` in public code that makes dynamic images from pixels


def project(
    volume: np.ndarray, name: str = "dynamic", axis: str = "axial", weights: str = "simple", slabs: int = 1
) -> np.ndarray:
    """Projects a volume [X, Y, Z] to an image, or to V images that each show a part or a side of it.

    Args:
      volume: [X, Y, Z] in RAS+; a cube for 'triplanar'.
      name: 'dynamic', approximate rank pooling with `weights`; 'max' or 'mean' of the voxels along the axis; 'ranksvm'
        or 'svr', exact rank pooling of the slices divided by the largest magnitude; several joined by '+'.
      axis: 'axial', 'coronal' or 'sagittal'; several joined by '+'; 'triplanar' gives the images of all three, in this
        order, as channels.
      weights: a family of `rank_pooling_weights`, used by 'dynamic' only.
      slabs: cuts the axis into so many slabs, each projected by itself; the first ones are a slice thicker where the
        number of slices cannot be divided.

    Returns: float32 [H, W], the two remaining axes in their order, or [H, W, 3] for 'triplanar'. Where there is more
      than one view, [V, H, W]: the slabs of each axis of each projection. Images of planes that differ in shape lie in
      the middle of the largest height and width, among what the projection makes of the volume's minimum, background.
    Raises: ValueError for more slabs than slices.
    """
    if axis == TRIPLANAR:
        return np.stack([project(volume, name, each, weights) for each in AXES_IN_ORDER], axis=-1)
    planes = [(each, plane) for each in name.split("+") for plane in axis.split("+")]
    shape = image_size(volume.shape, axis)
    images = [
        _project(slab, each, plane, weights)
        for each, plane in planes
        for slab in _cut(_padded(volume, plane, shape), AXES[plane], slabs)
    ]
    return images[0] if len(images) == 1 else np.stack(images)


def count_views(name: str, axis: str, slabs: int) -> int:
    """Returns how many images `project` makes of a volume."""
    return (1 + name.count("+")) * (1 + axis.count("+")) * slabs


def image_shape(volume: tuple[int, ...], axis: str = "axial", name: str = "dynamic", slabs: int = 1) -> tuple[int, ...]:
    """Returns the shape of what `project` makes of a volume of this shape."""
    if axis == TRIPLANAR:
        return (*volume[:2], 3)
    views = count_views(name, axis, slabs)
    return (*((views,) if views > 1 else ()), *image_size(volume, axis))


def image_size(volume: tuple[int, ...], axis: str) -> tuple[int, ...]:
    """Returns the height and width of the images that `project` makes of a volume of this shape."""
    if axis == TRIPLANAR:
        return volume[:2]
    return tuple(map(max, zip(*(_plane_shape(volume, plane) for plane in axis.split("+")))))


def _plane_shape(volume: tuple[int, ...], axis: str) -> tuple[int, ...]:
    return tuple(size for position, size in enumerate(volume) if position != AXES[axis])


def _project(volume: np.ndarray, name: str, axis: str, weights: str) -> np.ndarray:
    if name == "dynamic":
        return np.asarray(dynamic_image(volume, axis, weights))
    return POOLINGS[name](volume, AXES[axis]).astype(np.float32)


def _padded(volume: np.ndarray, axis: str, shape: tuple[int, ...]) -> np.ndarray:
    """Surrounds a volume by its minimum until its slices have the shape, with the volume in the middle."""
    missing = [want - have for want, have in zip(shape, _plane_shape(volume.shape, axis))]
    if not any(missing):
        return volume
    widths = [(lack // 2, lack - lack // 2) for lack in missing]
    widths.insert(AXES[axis], (0, 0))
    return np.pad(volume, widths, constant_values=volume.min())


def _cut(volume: np.ndarray, position: int, slabs: int) -> list[np.ndarray]:
    """Cuts an axis into slabs, views of the volume."""
    if slabs > volume.shape[position]:
        raise ValueError(f"{volume.shape[position]} slices cannot be cut into {slabs} slabs")
    return np.array_split(volume, slabs, position) if slabs > 1 else [volume]


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
PLANES = (*AXES, TRIPLANAR)
