"""One way to draw: an SVG in the page's ink on no background, its text left as text, the same bytes every time."""

import io
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.figure import Figure

INK = "#1d2126"  # text and axes; the page puts the colour of its own text in its place
COLOURS = ("#0f76b8", "#cc5a00", "#168a62", "#b0529b", "#8f7400", "#6b6fc9")  # 3 : 1 and more on white and on black
NEGATIVE, POSITIVE = COLOURS[0], COLOURS[1]
STYLES = ("-", "--", "-.", ":")  # lines can be told apart in black and white too
FULL = 4.6  # inches; a phone shows it at three quarters of its size

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


def draw(name: str, size: tuple[float, float], mark: str, drawing: Callable[[Figure], None]) -> str:
    """The SVG of a figure of `size` inches that `drawing` fills; `mark` stands in a corner, for who sees it alone."""
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # text is written as text: the reader's fonts have it
        figure = Figure(size, layout="constrained")
        drawing(figure)
        if mark:
            figure.suptitle(mark, x=0.01, ha="left", fontsize=9)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return text.getvalue()
