"""Reads the rows of a .csv or .tsv file."""

import csv
from pathlib import Path

from dynjax.errors import InputError, listed


def read_rows(table: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Returns the header, and each row's cells by column with its line number under '#'; a .tsv is tab-separated.

    Raises: InputError if the file is missing, is not UTF-8 text or has rows longer or shorter than its header.
    """
    kind, delimiter = ("TSV", "\t") if table.suffix == ".tsv" else ("CSV", ",")
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except OSError as error:
        raise InputError(f"{table}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not a {kind} file in UTF-8 ({error})") from None
    ragged = [
        f"line {number}: {len(row)} cells, the header has {len(header)}"
        for number, row in lines
        if len(row) != len(header)
    ]
    if ragged:
        raise InputError(f"{table}: the scan table cannot be used:\n{listed(ragged)}")
    return header, [dict(zip(header, map(str.strip, row))) | {"#": str(number)} for number, row in lines]
