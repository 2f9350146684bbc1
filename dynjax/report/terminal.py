"""Prints tables, sentences and the names of scans on the terminal, none of them wider than it is.

Without a terminal, a table is 80 columns wide unless COLUMNS says otherwise, and a sentence is one line, as logs and
scripts want it.
"""

import dataclasses
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich import box
from rich.table import Column, Table
from rich.text import Text

from dynjax.work.progress import Console
from dynjax.work.screen import screen_width

INDENT = "  "  # of the further lines of a sentence
SHORTEST = 12  # characters that are left of a folder's name at least


def new_table(headings: Iterable[str], left: Iterable[str] = ("",)) -> Table:
    """Returns a table of right-justified columns; those headed by one of `left` are left-justified."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    return table


def print_table(table: Table, keys: int = 1) -> None:
    """Prints a table; the columns that do not fit follow below, each part with the first `keys` columns again."""
    console = Console(width=screen_width())
    for part in _parts(table.columns, keys, console.width):
        console.print(part)


def fits(table: Table) -> bool:
    """Tells whether a table can be printed in one part."""
    return _width(table.columns) <= screen_width()


def print_text(text: str) -> None:
    """Prints sentences; on a terminal, or where COLUMNS gives a width, each line is folded between words."""
    width = _known_width()
    print("\n".join(_folded(line, width) for line in text.split("\n")) if width else text, flush=True)


def print_block(head: str, detail: str) -> None:
    """Prints a line, and what is said of it: behind it in a log, beneath it where a width is known."""
    print_text(f"{head}\n{INDENT}{detail}" if _known_width() else f"{head}: {detail}")


def place(path: str | Path, before: int = 0) -> str:
    """Returns a file's name and then its folder, which a terminal shows shortened in the middle if it is too narrow.

    Args: before, the number of characters that stand before the name.
    """
    folder, name = os.path.split(path)
    if not folder:
        return name
    room = max(screen_width() - before - len(f"{name}  in "), SHORTEST)
    if sys.stdout.isatty() and len(folder) > room:
        folder = f"{folder[: (room - 1) // 2]}…{folder[len(folder) - room // 2 :]}"
    return f"{name}  in {folder}"


def _known_width() -> int:
    """Returns the width of the terminal, or what COLUMNS says; 0 in a log, which nobody told how wide it is."""
    return screen_width() if sys.stdout.isatty() or os.environ.get("COLUMNS") else 0


def _folded(line: str, width: int) -> str:
    """Folds a line between words, further lines deeper than the first; what has no space is never cut."""
    own = line[: len(line) - len(line.lstrip())]
    wrapper = textwrap.TextWrapper(width, own, own + INDENT, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(line.strip())


def _parts(columns: Sequence[Column], keys: int, width: int) -> Iterator[Table]:
    """Yields tables no wider than `width`, whose columns are the first `keys` and then as many others as fit.

    Where not all fit, the first ones are at most a third of the width, so that others stand beside them.
    """
    first, rest = list(columns[:keys]), list(columns[keys:])
    if _width(columns) > width:
        first = [_narrowed(column, width // (3 * keys)) for column in first]
    while rest:
        count = max((n for n in range(1, len(rest) + 1) if _width([*first, *rest[:n]]) <= width), default=1)
        yield _table([*first, *rest[:count]], wraps=_width([*first, *rest[:count]]) > width)
        rest = rest[count:]


def _narrowed(column: Column, most: int) -> Column:
    """Returns a column of names that takes several lines rather than more than `most` characters."""
    return dataclasses.replace(column, max_width=most, no_wrap=False)


def _table(columns: Sequence[Column], wraps: bool = False) -> Table:
    """Returns the table of some columns of another; with `wraps`, texts, but no numbers, take several lines."""
    part = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        no_wrap = column.no_wrap and (not wraps or column.justify == "right")
        part.add_column(
            column.header, justify=column.justify, no_wrap=no_wrap, overflow="fold", max_width=column.max_width
        )
    for cells in zip(*(column.cells for column in columns)):
        if any(map(str, cells[1:])):
            part.add_row(*(Text(str(cell)) for cell in cells))
    return part


def _width(columns: Sequence[Column]) -> int:
    return Console(width=10**6).measure(_table(columns)).maximum
