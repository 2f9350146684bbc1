"""Draws figures, reproducibly: as SVG in the page's ink, without background, with text kept as text; or as PNG."""

import io
import textwrap
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.figure import Figure, FigureBase

INK = "#1d2126"  # of text and axes; the page replaces it with the colour of its own text
# Contrast of at least 3 : 1 on white and on black.
COLOURS = ("#0f76b8", "#cc5a00", "#168a62", "#b0529b", "#8f7400", "#6b6fc9")
NEGATIVE, POSITIVE = COLOURS[0], COLOURS[1]
STYLES = ("-", "--", "-.", ":")  # so that lines differ in black and white too
FULL = 4.6  # width of a figure in inches; a phone shows it at three quarters of that
DOTS = 200  # an inch of a PNG
FOOT = 0.18  # height in inches of a line of the mark, below the figure
CHARACTERS = 72  # in such a line
MARK = "mark"  # the id of the mark's element

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw(name: str, size: tuple[float, float], mark: str, drawing: Callable[[FigureBase], None]) -> str:
    """Returns the SVG of a figure of `size` inches that `drawing` fills.

    `mark` is written at the foot, so that the figure carries it when it is shown without its page.
    """
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # text stays text, drawn with the reader's fonts
        lines = textwrap.wrap(mark, CHARACTERS)
        foot = FOOT * len(lines)  # inches, below what `drawing` fills
        figure = Figure((size[0], size[1] + foot), layout="constrained")
        part: FigureBase = figure
        if lines:
            part = figure.add_subfigure(figure.add_gridspec(2, 1, height_ratios=(size[1], foot), hspace=0)[0])
            figure.text(0.01, 0.04 / size[1], "\n".join(lines), va="bottom", fontsize=9, gid=MARK)
        drawing(part)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return text.getvalue()


def draw_png(size: tuple[float, float], drawing: Callable[[Figure], None]) -> bytes:
    """Returns the PNG, on white, of a figure of `size` inches that `drawing` fills."""
    with matplotlib.rc_context(STYLE | {"savefig.transparent": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # such as of a class that is named in Chinese
        figure = Figure(size)
        drawing(figure)
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=DOTS, metadata={"Software": None})
        return data.getvalue()
