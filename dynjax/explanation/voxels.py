"""Carries what holds for the pixels of projected images back to the voxels that they were made of."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from dynjax.projection.dynamic import AXES
from dynjax.projection.project import AXES_IN_ORDER, TRIPLANAR
from dynjax.projection.weights import rank_pooling_weights

# The other projections rank slices, and are not made of voxels one by one.
ATTRIBUTABLE = ("dynamic", "mean", "learned", "max", "none")


class View(NamedTuple):
    """One image of a scan: how it is made, and of which slices.

    where: its place in the raw images. weights: of its slices, float64 [T]; None where it is not a sum of slices.
    """

    where: tuple
    position: int  # of the axis that is pooled
    slices: slice
    weights: np.ndarray | None


def views_of(
    grid: tuple[int, ...], name: str, axis: str, family: str, slabs: int, learned: np.ndarray | None = None
) -> list[View]:
    """Lists the images that `project` makes of a volume on this grid, in its order.

    Args: as `project`; learned, the weights of the slices of a learned projection.
    """
    return list(_views(grid, name, axis, family, slabs, learned))


def _views(grid, name: str, axis: str, family: str, slabs: int, learned: np.ndarray | None) -> Iterator[View]:
    planes = AXES_IN_ORDER if axis == TRIPLANAR else axis.split("+")
    is_one = axis != TRIPLANAR and len(planes) * (1 + name.count("+")) * slabs == 1
    index = 0
    for each in name.split("+"):
        for plane in planes:
            position = AXES[plane]
            for part in np.array_split(np.arange(grid[position]), slabs):
                weights = learned if each == "learned" else _weights(each, family, len(part))
                where = () if is_one else (Ellipsis, index) if axis == TRIPLANAR else (index,)
                yield View(where, position, slice(part[0], part[-1] + 1), weights)
                index += 1


def _weights(name: str, family: str, length: int) -> np.ndarray | None:
    if name == "mean":
        return np.full(length, 1 / length)
    return rank_pooling_weights(length, family) if name == "dynamic" else None


def attribute(
    slopes: np.ndarray, volume: np.ndarray, reference: np.ndarray, views: list[View], size: tuple[int, ...]
) -> np.ndarray:
    """Divides the effect of raw images among the voxels that differ from a reference, float64 [X, Y, Z].

    A voxel has its slice's weight times its difference times the slope of its pixel. Of a maximum, half of a pixel's
    effect goes to the voxel that is the volume's, half to the one that is the reference's.

    Args: slopes, of the shape of raw images; volume and reference [X, Y, Z]; size, the images' height and width.
    """
    difference = volume.astype(np.float64) - reference
    found = np.zeros(volume.shape)
    for view in views:
        slope = _cropped(slopes[view.where], view, volume.shape, size)
        region = tuple(view.slices if axis == view.position else slice(None) for axis in range(3))
        if view.weights is None:
            _share_maximum(found[region], volume[region], reference[region], slope, view.position)
        else:
            weights = view.weights.reshape([-1 if axis == view.position else 1 for axis in range(3)])
            found[region] += weights * difference[region] * np.expand_dims(slope, view.position)
    return found


def paint(cells: np.ndarray, views: list[View], grid: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    """Spreads the cells of maps [V, h, w] evenly over the voxels under them, float64 [X, Y, Z]; sums stay.

    A cell holds an equal share of the image; along the pooled axis it says nothing, and is the same for all slices.
    What falls on the padding around an image is lost. Three planes as channels have one map, and share it.
    """
    found = np.zeros(grid)
    if len(cells) == 1 < len(views):
        cells = np.repeat(cells / len(views), len(views), 0)
    for view, own in zip(views, cells, strict=True):
        rows, columns = (np.arange(n) * have // n for n, have in zip(size, own.shape))
        counts = np.outer(np.bincount(rows), np.bincount(columns))
        pixels = _cropped((own / counts)[np.ix_(rows, columns)], view, grid, size)
        region = tuple(view.slices if axis == view.position else slice(None) for axis in range(3))
        thickness = view.slices.stop - view.slices.start
        found[region] += np.expand_dims(pixels, view.position) / thickness
    return found


def interpolate(cells: np.ndarray, grid: tuple[int, ...], first: float, step: float) -> np.ndarray:
    """Interpolates a 3D network's map [x, y, z] linearly to its voxels, float64 [X, Y, Z].

    Args: first, the voxel at the centre of the first cell along each axis; step, voxels from cell to cell.
    """
    places = np.meshgrid(*((np.arange(size) - first) / step for size in grid), indexing="ij")
    return ndimage.map_coordinates(cells, places, order=1, mode="nearest")


def _cropped(pixels: np.ndarray, view: View, grid: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    """Leaves out the padding that surrounds the images of smaller planes."""
    own = [extent for axis, extent in enumerate(grid) if axis != view.position]
    (top, left), (height, width) = [(have - want) // 2 for have, want in zip(size, own)], own
    return pixels[top : top + height, left : left + width]


def _share_maximum(
    found: np.ndarray, volume: np.ndarray, reference: np.ndarray, slope: np.ndarray, position: int
) -> None:
    half = 0.5 * slope * (volume.max(position).astype(np.float64) - reference.max(position))
    for each in (volume, reference):
        places = np.expand_dims(each.argmax(position), position)
        values = np.take_along_axis(found, places, position) + np.expand_dims(half, position)
        np.put_along_axis(found, places, values, position)
