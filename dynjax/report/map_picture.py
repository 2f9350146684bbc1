"""Draws attribution maps over scans, as PNG: three planes of one scan, or the mean maps of several groups.

All volumes and maps are float32 [X, Y, Z] in RAS+. The patient's left is drawn on the left.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from scipy import ndimage

from dynjax.report.canvas import FULL, INK, draw_png

PLANES = {2: "axial", 1: "coronal", 0: "sagittal"}  # by the axis that a plane is perpendicular to
SIDES = (
    "L and R are the patient's left and right: left is on the left (neurological convention). "
    "Sagittal: the front is at the right."
)
LOGITS = "logit per voxel"  # the unit of maps whose sum is a difference of logits
# The strongest place is found after smoothing by a Gaussian, whose standard deviation is so many mm, and so many voxels
# at least. It lies as many mm, or a voxel, from the edge of the head or brain, where single voxels are noise.
SMOOTHING, VOXELS = 4.0, 2.0
STRONG = 99.5  # percentile of the map's values, without sign and without zeros, that gets the full colour
OPAQUE = 0.6  # part of that value from which a colour hides the scan
GREYS = (1, 99.8)  # percentiles of the volume that are drawn black and white
AIR = 0.1  # of that range, below which nothing is taken to be there
AROUND = 6  # voxels shown around the head or brain
MARGIN, GAP, LINE = 0.08, 0.06, 0.137  # in inches: around the figure, between panes, height of a line of text
BAR = 0.52  # inches that the colour bar takes, with its numbers and unit
CHARACTERS, BOLD = 78, 66  # in a line of text, and of bold text

Row = tuple[str, np.ndarray, np.ndarray]  # title, volume, map


def draw_map(
    volume: np.ndarray,
    values: np.ndarray,
    affine: np.ndarray,
    title: str,
    lines: Sequence[str],
    mark: str,
    unit: str = LOGITS,
) -> bytes:
    """Draws the axial, coronal and sagittal plane through the place that `strongest` finds.

    Args:
        volume, values: [X, Y, Z], the scan and its map on one grid.
        affine: voxel index to mm, RAS+.
        title: without the subject's id, because a run's page shows the picture where ids are hidden.
        lines: sentences, written below the planes.
        mark: the warning at the foot, '' for none.
        unit: of the map, below its colours.
    """
    place, limit = strongest(volume, values, affine), limit_of(values)
    pane = (FULL - 2 * MARGIN - GAP) / 2
    step = pane + LINE + GAP
    head, foot, mark = wrapped([title], BOLD), wrapped(lines), wrapped([mark], BOLD)
    height = _height(head) + 2 * step + _height(foot) + _height(mark) + 2 * MARGIN

    def drawing(figure: Figure) -> None:
        top = _write(figure, height - MARGIN, head, weight="bold")
        right = MARGIN + pane + GAP
        corners = ((MARGIN, top), (right, top), (MARGIN, top - step))
        for axis, (left, upper) in zip(PLANES, corners):
            axes = _pane(figure, left, upper - LINE, pane)
            axes.set_title(_name(axis, place, affine), fontsize=8, pad=2)
            draw_plane(axes, volume, values, axis, place[axis], limit)
        lower = top - step - pane / 3
        _colour_bar(figure, right + 0.1 * pane, lower, 0.8 * pane, limit, unit)
        _write(figure, lower - BAR - 2 * GAP, wrapped([SIDES], CHARACTERS // 2 - 2), left=right + GAP)
        _write(figure, _write(figure, top - 2 * step, foot), mark, weight="bold")

    return draw_png((FULL, height), drawing)


def draw_mean_maps(
    rows: Sequence[Row], affine: np.ndarray, lines: Sequence[str], mark: str, unit: str = LOGITS
) -> bytes:
    """Draws mean maps as rows (title, volume, map), all on one scale and through one place: the strongest of all.

    lines: sentences, written below the maps. mark: the warning at the foot, '' for none. unit: of the maps.
    """
    together = np.sum([_strength(volume, values, affine) for _, volume, values in rows], axis=0)
    place, limit = _peak(together), limit_of(np.stack([values for _, _, values in rows]))
    pane = (FULL - 2 * MARGIN - 2 * GAP) / 3
    step, foot, mark = pane + LINE + 2 * GAP, wrapped([*lines, SIDES]), wrapped([mark], BOLD)
    height = LINE + GAP + len(rows) * step + BAR + _height(foot) + _height(mark) + 2 * MARGIN

    def drawing(figure: Figure) -> None:
        top = height - MARGIN - LINE - GAP
        for row, (title, volume, values) in enumerate(rows):
            upper = _write(figure, top - row * step, title, weight="bold")
            for column, axis in enumerate(PLANES):
                axes = _pane(figure, MARGIN + column * (pane + GAP), upper, pane)
                draw_plane(axes, volume, values, axis, place[axis], limit)
                if row == 0:
                    middle = MARGIN + column * (pane + GAP) + pane / 2
                    _write(figure, height - MARGIN, _name(axis, place, affine), left=middle, ha="center")
        lower = top - len(rows) * step
        _colour_bar(figure, 0.25 * FULL, lower - 0.06, 0.5 * FULL, limit, unit)
        _write(figure, _write(figure, lower - BAR, foot), mark, weight="bold")

    return draw_png((FULL, height), drawing)


def strongest(volume: np.ndarray, values: np.ndarray, affine: np.ndarray) -> tuple[int, int, int]:
    """Returns the voxel, within the head or brain, at which the map is strongest after smoothing, of either sign.

    Neighbours of opposite signs cancel, and the edge does not count: a map is noisy there. volume, values: [X, Y, Z].
    """
    return _peak(_strength(volume, values, affine))


def _strength(volume: np.ndarray, values: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Returns how strong the smoothed map is within the head or brain, 0 at its edge; of the whole map if that is 0."""
    sides = np.linalg.norm(affine[:3, :3], axis=0)  # of a voxel, mm
    depth = max(round(SMOOTHING / sides.min()), 1)
    inside = ndimage.binary_erosion(ndimage.binary_fill_holes(_is_there(volume)), iterations=depth)
    smooth = abs(ndimage.gaussian_filter(np.where(inside, values, 0), np.maximum(SMOOTHING / sides, VOXELS))) * inside
    return smooth if smooth.any() else abs(values)


def _peak(strength: np.ndarray) -> tuple[int, int, int]:
    x, y, z = np.unravel_index(strength.argmax(), strength.shape)
    return int(x), int(y), int(z)


def limit_of(values: np.ndarray) -> float:
    """Returns the value that gets the full colour, of either sign; 1 for a map of zeros."""
    sizes = abs(values[values != 0])
    return float(np.percentile(sizes, STRONG)) if sizes.size else 1.0


def grey_range(volume: np.ndarray) -> tuple[float, float]:
    """Returns the values of a volume that are drawn black and white."""
    black, white = np.percentile(volume, GREYS)
    return float(black), float(white)


def in_mm(place: Sequence[int], affine: np.ndarray) -> list[float]:
    """Returns the coordinates in mm of a voxel."""
    return (affine @ [*place, 1])[:3].tolist()


def plane(volume: np.ndarray, axis: int, position: int) -> np.ndarray:
    """Returns a plane of [X, Y, Z] as it is seen, [rows, columns] from the top left.

    The patient's left is on the left, in sagittal planes the back. The front is at the top of axial planes, the top of
    the head at that of the others.
    """
    return volume.take(position, axis).T[::-1]


def overlay_colours() -> np.ndarray:
    """Returns RGBA in 0 to 1 of 255 equal steps, [255, 4]: from blue over transparent, the middle, to red."""
    size = np.linspace(-1, 1, 255)
    colours = matplotlib.colormaps["RdBu_r"](0.5 + 0.25 * (np.sign(size) + size))  # without its whites
    colours[:, 3] = np.minimum(abs(size) / OPAQUE, 1)
    return colours


def draw_plane(axes: Axes, volume: np.ndarray, values: np.ndarray, axis: int, position: int, limit: float) -> None:
    """Draws a plane of a volume with the map [X, Y, Z] laid over it, in a black square with the sides marked."""
    black, white = grey_range(volume)
    image = plane(volume, axis, position)
    axes.imshow(image, "gray", vmin=black, vmax=white, interpolation="none")
    axes.imshow(plane(values, axis, position), vmin=-limit, vmax=limit, interpolation="none", cmap=_colour_map())
    centre, half = _frame(volume)
    across, up = np.delete(centre, axis)
    down = len(image) - 1 - up
    axes.set(xlim=(across - half, across + half), ylim=(down + half, down - half), xticks=[], yticks=[])
    axes.set_facecolor("black")
    axes.spines[:].set_visible(False)
    if axis != 0:
        mark_sides(axes)


def mark_sides(axes: Axes) -> None:
    """Writes L at the left edge of an axial or coronal picture and R at the right, legible on dark and on bright."""
    edge = [withStroke(linewidth=1.5, foreground="black")]
    for side, x in (("L", 0.06), ("R", 0.94)):
        look: dict[str, Any] = {"color": "white", "fontsize": 9, "ha": "center", "va": "center", "path_effects": edge}
        axes.text(x, 0.5, side, transform=axes.transAxes, **look)


def wrapped(lines: Sequence[str], characters: int = CHARACTERS) -> str:
    """Breaks each sentence into lines of a picture."""
    return "\n".join(part for line in lines for part in textwrap.wrap(line, characters))


def _frame(volume: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns the centre of the head or brain, [3], and half the width of a square around it, both in voxels."""
    inside = np.argwhere(_is_there(volume))  # [N, 3]
    low, high = inside.min(0), inside.max(0)
    return (low + high) / 2, float((high - low).max()) / 2 + AROUND


def _is_there(volume: np.ndarray) -> np.ndarray:
    """Tells where there is more than air, bool [X, Y, Z]."""
    black, white = grey_range(volume)
    return volume > black + AIR * (white - black)


def _colour_map() -> ListedColormap:
    return ListedColormap(overlay_colours())


def _name(axis: int, place: Sequence[int], affine: np.ndarray) -> str:
    return f"{PLANES[axis]}, {'xyz'[axis]} = {round(in_mm(place, affine)[axis])} mm"


def _pane(figure: Figure, left: float, top: float, size: float) -> Axes:
    """Adds square axes; places and sizes are in inches, from the lower left."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, (top - size) / height, size / width, size / height))


def _colour_bar(figure: Figure, left: float, top: float, length: float, limit: float, unit: str) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, (top - 0.11) / height, length / width, 0.11 / height), facecolor="gray")
    bar = figure.colorbar(ScalarMappable(Normalize(-limit, limit), _colour_map()), axes, orientation="horizontal")
    bar.set_ticks([-limit, 0, limit], labels=[f"{-limit:.2g}", "0", f"{limit:.2g}"], fontsize=8)
    bar.set_label(unit, fontsize=8, labelpad=1)
    bar.ax.tick_params(length=2, pad=1)


def _height(text: str) -> float:
    return LINE * (text.count("\n") + 1) + GAP if text else 0


def _write(figure: Figure, top: float, text: str, left: float = MARGIN, **look: Any) -> float:
    """Writes lines from `top` downwards, in inches, and returns where they end."""
    width, height = figure.get_size_inches()
    figure.text(left / width, top / height, text, va="top", fontsize=7.5, linespacing=1.3, color=INK, **look)
    return top - _height(text)
