"""Reads the rows of a table as text: separated by commas or semicolons, with quotes, or by tabs, without."""

import codecs
import collections
import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.absent import why_absent
from dynjax.errors import InputError, listed
from dynjax.volumes.finding import Finding

QUOTED = re.compile(r'"(?:[^"]|"")*"')  # a cell that is wholly in quotes
OUTSIDE_QUOTES = re.compile(r'\t(?=(?:[^"]*"[^"]*")*[^"]*$)')  # a tab before which as many quotes close as open
UTF16 = (b"\xff\xfe", b"\xfe\xff")  # byte order marks; Excel's 'Unicode text' begins with one
START = 1000  # bytes in which other files are recognised
IMPOSTORS = (  # how a file begins that is no table, in lower case, what it is, and the remedy
    (b"<!doctype html", "a web page (HTML) instead of a table", "download it again"),
    (b"<html", "a web page (HTML) instead of a table", "download it again"),
    (b"version https://git-lfs", "a Git LFS pointer instead of the table", "fetch it with `git lfs pull`"),
    (b"/annex/objects/", "a git-annex pointer instead of the table", "fetch it with `datalad get`"),
    (b"pk\3\4", "an Excel workbook or a zip file", "save the table as CSV in UTF-8"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it with gunzip"),
)


class Row(NamedTuple):
    """A row of a table: its line, its cells by column, and how many it has. fault: why its cells cannot be trusted."""

    line: int
    cells: dict[str, str]
    given: int
    fault: str = ""


def read_rows(table: Path) -> tuple[list[str], list[Row]]:
    """Returns the header, and the rows that are not blank. Cells are stripped of spaces around them.

    The separator is the one that the header has. In a table separated by tabs, quotes have no meaning, except around a
    whole cell of one line, as R writes them. A row that lacks its last cells has them empty. Columns without a name are
    left out, and a row with a cell beyond the named columns has a fault.

    Raises: InputError if the file is missing, is not text in UTF-8 or UTF-16, or is empty; for a quote that is not
    closed, and for repeated columns.
    """
    text = _read_text(table)
    separator = _separator(text, table.suffix)
    split = _split_tabs if separator == "\t" else _split_quoted
    (_, names), *lines = [(number, cells) for number, cells in split(table, text, separator) if any(cells)]
    repeated = [name for name, count in collections.Counter(filter(None, names)).items() if count > 1]
    if repeated:
        problems = listed(f"repeated column: {name}" for name in repeated)
        raise InputError(f"{table}: of columns with the same name only one can be meant:\n{problems}")
    return [name for name in names if name], [_row(number, cells, names) for number, cells in lines]


def _row(number: int, cells: list[str], names: list[str]) -> Row:
    width = max((place for place, name in enumerate(names, 1) if name), default=0)
    beyond, fault = [cell for cell in cells[width:] if cell], ""
    if beyond:
        fault = f"{len(cells)} cells, the header has {width}: {', '.join(map(repr, beyond))} is in no column"
    padded = cells + [""] * (len(names) - len(cells))
    return Row(number, {name: cell for name, cell in zip(names, padded) if name}, len(cells), fault)


def _read_text(table: Path) -> str:
    if os.path.exists(table) and not (table.is_file() or table.is_dir()):  # a pipe, which would be waited for
        raise InputError(f"{table}: neither a file nor a folder; save the table as a file, for it is read again later")
    try:
        with open(table, "rb") as file:
            start = file.read(START)
            _check_start(table, start)  # before a scan of gigabytes is read as if it were a table
            data = start + file.read()
    except (OSError, ValueError) as error:
        absent = why_absent(table) or Finding("unreadable", getattr(error, "strerror", None) or str(error))
        raise InputError(f"{table}: {absent.detail}; {absent.remedy}") from None
    try:
        text = data.decode("utf-16" if data.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{table}: not a table in UTF-8 ({error}); save it as CSV in UTF-8") from None
    if not text.strip():
        raise InputError(f"{table}: an empty table; it needs a header and a row for each scan")
    return text


def _check_start(table: Path, start: bytes) -> None:
    text = start.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for beginning, what, remedy in IMPOSTORS:
        if text.startswith(beginning):
            raise InputError(f"{table}: {what}; {remedy}")
    if b"\0" in start.split(b"\n")[0] and not start.startswith(UTF16):
        raise InputError(f"{table}: not a table but a file with other data; name a table in UTF-8")


def _separator(text: str, suffix: str) -> str:
    """Finds what separates the names in the first line that is not blank; a tab, if the table is a .tsv with any."""
    header = re.sub(r'"[^"]*"', "", next(line for line in _lines(text) if line.strip()))
    usual = "\t" if suffix.lower() == ".tsv" else ","
    if usual == "\t" and "\t" in header:
        return usual
    return max((usual, ",", ";", "\t"), key=header.count)  # the first of those that occur equally often


def _lines(text: str) -> Iterator[str]:
    """Splits at the ends of lines that CSV knows, which str.splitlines does not."""
    return iter(io.StringIO(text, newline=""))


def _split_tabs(table: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the line and the cells of every row; quotes around a whole cell are taken off.

    BIDS lets a cell in quotes hold tabs: quotes count where a line would have too many cells without.
    """
    width = 0
    for number, line in enumerate(_lines(text), 1):
        cells = line.rstrip("\r\n").split(separator)
        if width and len(cells) > width and len(whole := OUTSIDE_QUOTES.split(line.rstrip("\r\n"))) == width:
            cells = whole
        cells = [cell.strip() for cell in cells]
        width = width or (len(cells) if any(cells) else 0)
        yield number, [cell[1:-1].replace('""', '"').strip() if QUOTED.fullmatch(cell) else cell for cell in cells]


def _split_quoted(table: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the first line and the cells of every row. Raises: InputError for a quote that is not closed."""
    reader, first, width = csv.reader(_lines(text), delimiter=separator, strict=True, skipinitialspace=True), 1, 0
    try:
        for cells in reader:
            width = width or len(cells)
            if reader.line_num > first and _has_rows_in_a_cell(cells, separator, width):
                raise csv.Error
            yield first, [cell.strip() for cell in cells]
            first = reader.line_num + 1
    except csv.Error:
        line = _line_of_open_quote(text, first, separator)
        remedy = 'a cell that begins with " must end with it, and have "" for each " within'
        raise InputError(f"{table}, line {line}: a quote opens here and is not closed in its cell; {remedy}") from None


def _has_rows_in_a_cell(cells: list[str], separator: str, width: int) -> bool:
    """Tells whether a cell has a further line with as many separators as a row: rows lie between two stray quotes."""
    inner = [line for cell in cells for line in list(_lines(cell))[1:]]
    return width > 1 and any(line.count(separator) >= width - 1 for line in inner)


def _line_of_open_quote(text: str, first: int, separator: str) -> int:
    """Returns the line, `first` or later, whose cell is not closed as it should be."""
    row = "".join(list(_lines(text))[first - 1 :])
    ends = rf"(?:{separator}|\r\n|\r|\n|\Z)"
    cell, place = re.compile(rf' *(?:"[^"]*(?:""[^"]*)*"|[^"{separator}\r\n][^{separator}\r\n]*|){ends}'), 0
    while place < len(row) and (found := cell.match(row, place)):
        place = found.end()
    if place >= len(row):
        return first
    return first + len(re.findall(r"\r\n|\r|\n", row[:place]))
