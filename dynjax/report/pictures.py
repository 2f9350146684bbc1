"""Figures that are not plots: the images that a network sees, and the flow diagram of the cohort."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import BoxStyle, FancyBboxPatch

from dynjax.report.canvas import FULL, INK, draw

WIDTH, GAP = 2.15, 0.3  # of and between the boxes of the flow diagram, in inches
CHARACTERS = 27  # in a line of a box
LINE, MARGIN = 0.17, 0.24  # the height of a line, and the space above and below the text together


def images(name: str, pictures: Sequence[tuple[str, np.ndarray]], columns: int, mark: str) -> str:
    """Draws pictures (title, image [X, Y]) in a grid, each in its own grey scale, with X to the right and Y upwards."""
    width, height = pictures[0][1].shape
    room = 0.2 if any(title for title, _ in pictures) else 0.0  # above an image, for its title
    step = 1.06 * width, (1.06 + room) * height
    rows = -(-len(pictures) // columns)  # rounded up

    def drawing(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        for index, (title, image) in enumerate(pictures):
            left, bottom = index % columns * step[0], -(index // columns) * step[1]
            edges = (left, left + width, bottom, bottom + height)
            axes.imshow(image.T, cmap="gray", origin="lower", interpolation="none", extent=edges)
            axes.text(left + width / 2, bottom + 1.05 * height, title, ha="center", va="bottom", fontsize=9)
        axes.set(xlim=(0, columns * step[0]), ylim=(-(rows - 1) * step[1], step[1]), aspect="equal")

    return draw(name, (FULL, FULL * rows * step[1] / (columns * step[0]) + 0.3), mark, drawing)


def flow(steps: Sequence[tuple[str, Sequence[str]]], mark: str) -> str:
    """Draws a flow diagram from steps (text, lines), from top to bottom.

    lines: the scans that leave the cohort after the step, shown in a box at the right.
    """
    boxes = [(_wrapped(text.split("\n")), _wrapped(lines)) for text, lines in steps]
    total = sum(_height(main) + GAP + _room_for(side) for main, side in boxes) - GAP

    def drawing(figure: Figure) -> None:
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
