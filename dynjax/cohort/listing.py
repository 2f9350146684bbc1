"""Holds what a table or folder lists, whichever its layout, before labels and visits are chosen."""

import collections
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.rows import Row
from dynjax.cohort.scan import RefusedRow, Scan
from dynjax.errors import InputError, listed
from dynjax.volumes.finding import Finding

Ids = tuple[str, str]  # subject and session


class Fault(NamedTuple):
    """Says what is wrong with a scan or its row, which is refused if the scan is wanted. where: as in `RefusedRow`."""

    where: str
    finding: Finding


class Listing(NamedTuple):
    """The scans of a source, in its own spelling.

    kind: the kind of source in words. faults: of scans whose row is wrong. refused: rows that are no scan, for their
    label cannot be known. excluded: the number of excluded scans by reason. notes, hints: as in `Cohort`.
    """

    kind: str
    scans: list[Scan]
    faults: dict[Ids, Fault]
    refused: list[RefusedRow]
    excluded: collections.Counter[str]
    notes: list[str]
    hints: list[str]


def empty_listing(kind: str) -> Listing:
    """Returns a listing of nothing, to be filled."""
    return Listing(kind, [], {}, [], collections.Counter(), [], [])


def bad_row(table: Path, row: Row, problems: Iterable[str]) -> Fault:
    """Returns the fault of a row with these problems."""
    return Fault(f"{table}, line {row.line}", Finding("bad row", "; ".join(problems)))


def place_of(row: Row) -> str:
    """Returns what stands for a subject or a session that a row does not name."""
    return f"(line {row.line})"


def check_ids(table: Path, ids: Iterable[Ids]) -> None:
    """Raises InputError that lists each subject and session that is listed more than once."""
    counts = collections.Counter(ids)
    problems = [f"subject {who}, session {when} is listed {n} times" for (who, when), n in counts.items() if n > 1]
    if problems:
        raise InputError(f"{table}: the scan table cannot be used:\n{listed(problems)}")
