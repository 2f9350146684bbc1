"""Tables on the terminal, or where its output goes: as wide as they need to be."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table


def new_table(headings: Iterable[str], left: Iterable[str] = ("",), **titles: str) -> Table:
    """Columns of numbers, right-justified but for those headed by one of `left`. titles: title, caption."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), **titles)  # type: ignore[arg-type]
    table.title_justify = table.caption_justify = "left"
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=True)
    return table


def print_table(table: Table) -> None:
    needed = Console(width=1000).measure(table).maximum
    Console(width=max(Console().width, needed)).print(table)
