"""Reads a plain CSV: a row for each scan, with its path."""

import difflib
import os
from pathlib import Path

from dynjax.cohort.listing import Listing, bad_row, check_ids, empty_listing, place_of
from dynjax.cohort.rows import Row
from dynjax.cohort.scan import MISSING, RefusedRow, Scan, is_date, parse_date
from dynjax.cohort.visits import DATES
from dynjax.errors import InputError, listed

REQUIRED = ("subject", "session", "label", "path")
OPTIONAL = ("age", "sex", "site", "acquired")
KNOWN = ("subject", "path")  # which n/a does not name either; a session may be called n/a, and a label is then unwanted


def read_plain(table: Path, header: list[str], rows: list[Row], label_column: str) -> Listing:
    """Returns the scans that the rows list. Raises: InputError for wrong columns and for scans listed twice."""
    required = tuple(label_column if name == "label" else name for name in REQUIRED)
    _check_header(table, header, required)
    listing = empty_listing("a plain CSV")
    dates = next((name for known in DATES for name in header if name.lower() == known), "")
    if dates not in ("", "acquired"):
        listing.notes.append(f"dates read from the column {dates}")
    for row in rows:
        scan = _scan(table, header, row, required, dates)
        problems = _problems(row, required, header)
        if row.fault or not scan.label:  # whether the scan would belong to the cohort cannot be known
            listing.refused.append(RefusedRow(scan.subject, scan.session, *bad_row(table, row, problems)))
            continue
        listing.scans.append(scan)
        if problems:
            listing.faults[scan.subject, scan.session] = bad_row(table, row, problems)
    ids = [(scan.subject, scan.session) for scan in listing.scans]
    check_ids(table, [*ids, *(row.ids for row in listing.refused)])
    return listing


def _scan(table: Path, header: list[str], row: Row, required: tuple[str, ...], dates: str) -> Scan:
    subject, session, label, path = (row.cells[name] for name in required)
    details = {name: row.cells.get(name, "") for name in ("age", "sex", "site")}
    others = tuple((name, row.cells[name]) for name in header if name not in required + OPTIONAL)
    subject = place_of(row) if subject.lower() in MISSING else subject
    where = table.parent / os.path.expanduser(path)
    text = row.cells.get(dates, "")
    acquired = parse_date(text) if is_date(text) else None
    return Scan(subject, session or place_of(row), label, where, acquired=acquired, others=others, **details)


def _problems(row: Row, required: tuple[str, ...], header: list[str]) -> list[str]:
    """Lists what makes a row unusable."""
    if row.fault:
        return [row.fault]
    short = f"{row.given} cells, the header has {len(header)}: " if row.given < len(header) else ""
    problems = [f"{short}{name} is empty" for name in required if not row.cells[name]]
    problems += [
        f"{name} is {row.cells[name]}" for name in KNOWN if row.cells[name] and row.cells[name].lower() in MISSING
    ]
    acquired = row.cells.get("acquired", "")
    if not is_date(acquired):
        problems.append(f"acquired {acquired!r} is neither yyyy-mm-dd nor m/d/yyyy")
    return problems


def _check_header(table: Path, header: list[str], required: tuple[str, ...]) -> None:
    problems = [f"missing column: {name}" for name in required if name not in header]
    problems += _misspelt(header, (*required, *OPTIONAL))
    if problems:
        known = ",".join(required) + "[," + ",".join(OPTIONAL) + "] and any others"
        raise InputError(f"{table}: a scan table has the columns {known}:\n{listed(problems)}")


def _misspelt(header: list[str], known: tuple[str, ...]) -> list[str]:
    """Lists unknown columns that look like a missing known one; any other unknown column is allowed."""
    missing = [name for name in known if name not in header]
    nearest = {name: difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.8) for name in header}
    return [f"unknown column: {name}; did you mean {near[0]}?" for name, near in nearest.items() if near]
