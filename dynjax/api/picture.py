"""Draws a dynamic image as it is read in a clinic: upright, its sides marked, its convention named."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dynjax.projection.dynamic import AXES
from dynjax.report.map_picture import plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The letters at the left, right, top and bottom of an image, with the patient's left on the left.
SIDES = {"axial": ("L", "R", "A", "P"), "coronal": ("L", "R", "S", "I"), "sagittal": ("P", "A", "S", "I")}
PLACES = {0: (0.04, 0.5), 1: (0.96, 0.5), 2: (0.5, 0.95), 3: (0.5, 0.05)}  # of these letters, in parts of the axes
CONVENTIONS = {
    False: "neurological convention:\nthe patient's left is on the left",
    True: "radiological convention:\nthe patient's left is on the right",
}


def plot_dynamic_image(
    image: Any, axis: str = "axial", ax: "Axes | None" = None, radiological: bool = False, **options: Any
) -> "Axes":
    """Draws one dynamic image upright, with its sides marked: L and R are the patient's own left and right.

    The front of the head is at the top of an axial image, the top of the head at that of the others. A dynamic image is
    bright where slices towards the end of its axis (the top of the head, the front, the right) have more signal than
    those at its beginning, dark where they have less.

    Args:
      image: [H, W], as `dynamic_image` or `project` returns it of one volume.
      axis: the axis along which it was pooled, 'axial', 'coronal' or 'sagittal'.
      ax: the matplotlib axes to draw on; a new figure by default.
      radiological: draws the patient's left on the right. By default it is on the left. The picture names which.
      options: of matplotlib's imshow, such as cmap or vmin.

    Returns: the axes.
    Raises: ValueError for an image that is not [H, W], or an unknown axis.

    >>> import dynjax, numpy
    >>> volume = numpy.random.default_rng(0).random((8, 9, 10))  # or dynjax.load_volume("scan.nii.gz").data
    >>> axes = dynjax.plot_dynamic_image(dynjax.dynamic_image(volume))
    >>> print(axes.get_xlabel())
    neurological convention:
    the patient's left is on the left
    """
    if axis not in AXES:
        raise ValueError(f"unknown axis {axis!r}; choose one of {', '.join(AXES)}")
    drawn = np.asarray(image)
    if drawn.ndim != 2:
        raise ValueError(f"one image is drawn, [H, W], not an array of shape {drawn.shape}; choose one, images[0]")
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots()
    is_mirrored = radiological and axis != "sagittal"
    upright = plane(np.expand_dims(drawn, AXES[axis]), AXES[axis], 0)
    ax.imshow(upright[:, ::-1] if is_mirrored else upright, **{"cmap": "gray", "interpolation": "none"} | options)
    _mark_sides(ax, axis, is_mirrored)
    convention = "the front of the head is at the right" if axis == "sagittal" else CONVENTIONS[is_mirrored]
    ax.set(title=f"{axis} dynamic image", xlabel=convention, xticks=[], yticks=[])
    return ax


def _mark_sides(ax: "Axes", axis: str, is_mirrored: bool) -> None:
    left, right, *upright = SIDES[axis]
    letters = (right, left, *upright) if is_mirrored else (left, right, *upright)
    box = {"boxstyle": "round,pad=0.15", "facecolor": "black", "edgecolor": "none", "alpha": 0.6}
    for place, letter in enumerate(letters):
        look: dict[str, Any] = {"color": "white", "ha": "center", "va": "center", "bbox": box}
        ax.text(*PLACES[place], letter, transform=ax.transAxes, **look)
