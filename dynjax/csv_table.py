"""Writes the CSV tables of a run, and reads them back."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dynjax.errors import InputError
from dynjax.files import write_text

Row = TypeVar("Row")


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]], quote_all: bool = False) -> str:
    """Formats a header and rows as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue()


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a CSV file, whole or not at all."""
    write_text(path, to_csv(header, rows))


def read_csv(path: Path, columns: Sequence[str], parse: Callable[..., Row]) -> list[Row]:
    """Reads a table that `write_csv` wrote: parse(*cells) for each line, given the cells of `columns` in that order.

    Raises: OSError if the file is missing; InputError if it lacks a column, or if `parse` raises a ValueError.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *lines = csv.reader(file)
        places = [header.index(name) for name in columns]
        if any(len(line) != len(header) for line in lines):
            raise ValueError("a line has more or fewer cells than the header")
        return [parse(*(line[place] for place in places)) for line in lines]
    except (ValueError, csv.Error):
        expected = f"the columns {','.join(columns)} and one line per scan"
        raise InputError(f"{path}: damaged: it must have {expected}") from None
