"""Prints tables on the terminal or to a redirected output, as wide as their contents need."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table


def new_table(headings: Iterable[str], left: Iterable[str] = ("",), **titles: str) -> Table:
    """Returns a table of right-justified columns; those headed by one of `left` are left-justified.

    titles: title and caption.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), **titles)  # type: ignore[arg-type]
    table.title_justify = table.caption_justify = "left"
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """Prints a table without wrapping it, even on a narrower terminal."""
    needed = Console(width=1000).measure(table).maximum
    Console(width=max(Console().width, needed)).print(table)
