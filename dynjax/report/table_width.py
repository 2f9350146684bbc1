"""Estimates how wide a table of a page is at least, so that it can fold where there is less room."""

import math
import re
import unicodedata
from collections.abc import Sequence

from markupsafe import Markup, escape

LONG = {"head": 13, "name": 20, "cell": 24}  # characters beyond which a text takes several lines
LEAST = 12  # digits that a long text has room for at least
SLIM = frozenset(" .,:;()-'fijlrtI")  # characters that are some 0.6 digits wide, in most fonts
BETWEEN = 1.4  # of columns, in digits
STEP = 8  # digits; tables whose needs lie as close together fold at the same width
COMPACT = 15  # characters, at most, in a cell of a table whose folded rows have several cells in a line
ENDS = re.compile(r"\([^()]* to [^()]*\)$")  # of an interval


def least_width(head: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Returns how many digits wide a table is at least, as the page breaks its texts into lines, in steps of STEP."""
    width = 0.0
    for number, (title, *cells) in enumerate(zip(head, *rows)):
        place = "cell" if number else "name"
        width += max([_least(title, "head"), *(_least(cell, place) for cell in cells)]) + BETWEEN
    return STEP * math.ceil(width / STEP)


def is_long(text: str, place: str) -> bool:
    """Tells whether a text takes several lines. place: a key of LONG."""
    return len(text) > LONG[place]


def _least(text: str, place: str) -> float:
    """Returns how many digits wide a text of a table is at least, as the page breaks it into lines."""
    if is_long(text, place):
        return max(LEAST, *map(_wide, text.split())) if place == "head" else LEAST
    found = ENDS.search(text)
    return max(_wide(found[0]), _wide(text[: found.start()])) if found else _wide(text)


def _wide(text: str) -> float:
    """Estimates how many digits wide a text is; Chinese characters take two."""
    return sum(0.6 if each in SLIM else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def whole_ends(text: str) -> Markup:
    """Marks the ends of an interval, which stand below the value where there is little room, as not to be broken."""
    found = ENDS.search(text)
    if not found:
        return escape(text)
    return escape(text[: found.start()]) + Markup('<span class="whole">{}</span>').format(found[0])
