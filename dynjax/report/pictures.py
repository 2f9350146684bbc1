"""Figures that are no plots: scans as a network sees them, and the way of a cohort from the table to the answers."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dynjax.report.canvas import FULL, INK, draw

COLUMNS = 4
WIDTHS = (26, 24)  # characters in a box of the flow diagram: left, right
LINE = 0.175  # inches


def images(name: str, rows: Sequence[Sequence[tuple[str, np.ndarray]]], mark: str) -> str:
    """Rows of (title, image [X, Y]), the first axis to the right and the second upwards, each in its own greys."""

    def drawing(figure: Figure) -> None:
        for axes in (grid := figure.subplots(len(rows), COLUMNS, squeeze=False)).flat:
            axes.set_axis_off()
        for axes_row, row in zip(grid, rows):
            for axes, (title, image) in zip(axes_row, row):
                axes.imshow(image.T, cmap="gray", origin="lower", interpolation="none")
                axes.set_title(title, fontsize=9)

    return draw(name, (FULL, 1.5 * len(rows)), mark, drawing)


def flow(steps: Sequence[tuple[str, Sequence[str]]], mark: str) -> str:
    """Boxes from above to below, each with what leaves the cohort after it, which stands at its right: (text, lines)."""
    mains = [_wrapped(text.split("\n"), WIDTHS[0]) for text, _ in steps]
    sides = [_wrapped(lines, WIDTHS[1]) for _, lines in steps]
    heights = [LINE * (_lines(main) + (_lines(side) if side else 0) + 3) for main, side in zip(mains, sides)]
    total = sum(heights)

    def drawing(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set(xlim=(0, FULL), ylim=(-total, 0))
        axes.set_axis_off()
        top = 0.0
        for index, (main, side, height) in enumerate(zip(mains, sides, heights)):
            bottom = top - LINE * (_lines(main) + 1)
            _box(axes, 1.15, (top + bottom) / 2, main)
            if index + 1 < len(mains):
                _arrow(axes, (1.15, bottom), (1.15, top - height + 0.02))
            if side:
                middle = (bottom + top - height) / 2
                _arrow(axes, (1.15, middle), (2.4, middle))
                _box(axes, 3.45, middle, side)
            top -= height

    return draw("flow", (FULL, total + 0.2), mark, drawing)


def _wrapped(lines: Sequence[str], width: int) -> str:
    return "\n".join(part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="  "))


def _lines(text: str) -> int:
    return text.count("\n") + 1


def _box(axes, x: float, y: float, text: str) -> None:
    look = {"boxstyle": "round,pad=0.4", "facecolor": "none", "edgecolor": INK, "linewidth": 0.9}
    axes.text(x, y, text, ha="center", va="center", fontsize=9, bbox=look, linespacing=1.25)


def _arrow(axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 0.9})
