"""Figures that are not plots: the images that a network sees, and the flow diagram of the cohort."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.patches import BoxStyle, FancyBboxPatch

from dynjax.report.canvas import FULL, INK, draw
from dynjax.report.scan_rows import ScanRow

ACROSS = 4  # slices and images in a line, if a scan has no more
BETWEEN, TITLE = 0.06, 0.22  # of and above scans, in widths of a slice
WIDTH, GAP = 2.15, 0.3  # of and between the boxes of the flow diagram, in inches
CHARACTERS = 27  # in a line of a box
LINE, MARGIN = 0.17, 0.24  # the height of a line, and the space above and below the text together


def scans(name: str, pictures: Sequence[tuple[str, Sequence[ScanRow]]], columns: int, mark: str) -> str:
    """Draws scans (title, rows) side by side: in each row a slice and, beside it, the images of the same plane.

    X is drawn to the right and Y upwards, so that the patient's left, marked L, is on the left. Each slice and image
    has its own grey scale, in which 0 is the middle grey if the image is signed.
    """
    first = pictures[0][1]
    height, wide, high = _size(first)
    titled = any(title for title, _ in pictures)
    step = wide + BETWEEN, high + BETWEEN + (TITLE if titled else 0)
    lines = -(-len(pictures) // columns)  # rounded up
    total = columns * step[0] - BETWEEN, lines * step[1]

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        for index, (title, rows) in enumerate(pictures):
            left, top = index % columns * step[0], -(index // columns) * step[1]
            if titled:
                axes.text(left, top - 0.5 * TITLE, title, va="center", fontsize=9)
            for number, row in enumerate(rows):
                _draw_row(axes, row, left, top - (TITLE if titled else 0) - number * height)
        axes.set(xlim=(0, total[0]), ylim=(-total[1], 0), aspect="equal")

    return draw(name, (FULL, FULL * total[1] / total[0]), mark, drawing)


def scan_columns(rows: Sequence[ScanRow]) -> int:
    """Returns how many scans fit side by side: few enough for the images to be looked at."""
    return max(1, ACROSS // (1 + len(rows[0].images)))


def _size(rows: Sequence[ScanRow]) -> tuple[float, float, float]:
    """Returns the height of a row, and the width and height of a scan's rows, in widths of a slice."""
    across, up = rows[0].slice.shape
    return up / across, float(1 + len(rows[0].images)), len(rows) * up / across


def _draw_row(axes: Axes, row: ScanRow, left: float, top: float) -> None:
    """Draws a slice, one wide, and its images to the right of it, each with L and R."""
    for number, image in enumerate((row.slice, *row.images)):
        is_signed = number > 0 and row.is_signed
        largest = abs(image).max() or 1.0
        low, high = (-largest, largest) if is_signed else (image.min(), image.max())
        edges = (left + number, left + number + 1, top - image.shape[1] / image.shape[0], top)
        axes.imshow(image.T, "gray", vmin=low, vmax=high, origin="lower", interpolation="none", extent=edges)
        if row.axis != "sagittal":
            _mark_sides(axes, edges, "black" if is_signed else "white", 8 if len(row.images) < ACROSS else 6)


def _mark_sides(axes: Axes, edges: tuple[float, float, float, float], colour: str, size: int) -> None:
    """Writes L at the left edge of an image and R at the right; edges: left, right, bottom, top. size: in points."""
    left, right, bottom, top = edges
    for side, place, end in (("L", left + 0.03, "left"), ("R", right - 0.03, "right")):
        axes.text(place, (bottom + top) / 2, side, color=colour, fontsize=size, va="center", ha=end)


def flow(steps: Sequence[tuple[str, Sequence[str]]], mark: str) -> str:
    """Draws a flow diagram from steps (text, lines), from top to bottom.

    lines: the scans that leave the cohort after the step, shown in a box at the right.
    """
    boxes = [(_wrapped(text.split("\n")), _wrapped(lines)) for text, lines in steps]
    total = sum(_height(main) + GAP + _room_for(side) for main, side in boxes) - GAP

    def drawing(figure: FigureBase) -> None:
        axes = figure.subplots()
        axes.set(xlim=(0, FULL), ylim=(-total - 0.05, 0.05))
        axes.set_axis_off()
        top = 0.0
        for index, (main, side) in enumerate(boxes):
            bottom = _box(axes, 0.05, top, main)
            top = bottom - GAP - _room_for(side)
            if index + 1 < len(boxes):
                _arrow(axes, (0.05 + WIDTH / 2, bottom), (0.05 + WIDTH / 2, top))
            if side:
                middle = (bottom + top) / 2
                _box(axes, FULL - WIDTH - 0.05, middle + _height(side) / 2, side)
                _arrow(axes, (0.05 + WIDTH / 2, middle), (FULL - WIDTH - 0.05, middle))

    return draw("flow", (FULL, total + 0.4), mark, drawing)


def _wrapped(lines: Sequence[str]) -> str:
    """Wraps each line to the width of a box; the rest of a line is indented."""
    parts: list[str] = []
    for line in lines:
        parts += textwrap.wrap(line, CHARACTERS, subsequent_indent="   ")
    return "\n".join(parts)


def _height(text: str) -> float:
    return LINE * (text.count("\n") + 1) + MARGIN


def _room_for(side: str) -> float:
    """Returns the height that a box at the right adds below its step; 0 if there is no such box."""
    return _height(side) + GAP if side else 0


def _box(axes: Axes, left: float, top: float, text: str) -> float:
    """Draws a box and returns the position of its lower edge."""
    bottom = top - _height(text)
    style = BoxStyle("Round", pad=0, rounding_size=0.06)
    corner = (left, bottom)
    axes.add_patch(FancyBboxPatch(corner, WIDTH, top - bottom, style, facecolor="none", edgecolor=INK, linewidth=0.9))
    axes.text(left + 0.1, (top + bottom) / 2, text, ha="left", va="center", fontsize=9, linespacing=1.25)
    return bottom


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "->", "color": INK, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=look)
