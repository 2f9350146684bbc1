"""Reads the tables of a BIDS dataset, and matches their ids with the folders of subjects and sessions.

The tables are participants.tsv (by participant_id), sessions.tsv (by participant_id and session_id), each subject's
sub-*_sessions.tsv (by session_id) and, for dates, sub-*_scans.tsv (by filename). They are in the dataset's folder, or
in that of the dataset it was derived from.
"""

import collections
import datetime
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.absent import why_absent
from dynjax.cohort.folders import expand
from dynjax.cohort.listing import Ids, Listing, bad_row, place_of
from dynjax.cohort.rows import Row, read_rows
from dynjax.cohort.scan import MISSING, RefusedRow, is_date, parse_date
from dynjax.cohort.spelling import match_ids
from dynjax.cohort.visits import DATES
from dynjax.errors import InputError, listed

IDS = ("participant_id", "session_id")
HINTS = 3  # at most: each subject's sessions.tsv may differ from its folders
OWN_SESSIONS = ("sub-*/sub-*_sessions.tsv", "subjects/sub-*/sub-*_sessions.tsv")

Rows = dict[Ids, tuple[Path, Row]]  # by subject and session: a row and its table; '' as session in participants.tsv


class Tables(NamedTuple):
    """The rows of the tables of participants and of sessions, by the names of the folders that they stand for."""

    participants: Rows
    sessions: Rows

    def rows(self, subject: str, session: str) -> list[tuple[Path, Row]]:
        """Returns the row of a session and that of its subject, each with its table, as far as they are there."""
        found = self.sessions.get((subject, session)), self.participants.get((subject, ""))
        return [pair for pair in found if pair]

    def value(self, subject: str, session: str, columns: tuple[str, ...]) -> str:
        """Returns the first known value of `columns`, '' if there is none; a session's precedes its subject's."""
        rows = self.rows(subject, session)
        known = (row.cells.get(column, "") for column in columns for _, row in rows)
        return next((text for text in known if text.lower() not in MISSING), "")

    def dates(self, subject: str, session: str) -> list[str]:
        """Returns what the columns called as in DATES say, the best first."""
        texts = []
        for _, row in self.rows(subject, session):
            by_lower = {name.lower(): text for name, text in row.cells.items()}
            texts += [by_lower[name] for name in DATES if name in by_lower]
        return texts

    def others(self, subject: str, session: str, known: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Returns (column, text) for each column not in `known`; a session's text replaces its subject's."""
        cells: dict[str, str] = {}
        for _, row in reversed(self.rows(subject, session)):
            cells |= row.cells
        return tuple((name, text) for name, text in cells.items() if name not in known)

    def columns(self) -> list[str]:
        """Returns the columns with a known value in any row, those of the sessions first."""
        names: dict[str, None] = {}  # an ordered set
        for _, row in (*self.sessions.values(), *self.participants.values()):
            names |= {name: None for name, text in row.cells.items() if text.lower() not in MISSING}
        return [name for name in names if name not in IDS]


def read_tables(folder: Path, known: Iterable[Ids], listing: Listing, unreadable: dict[Path, str]) -> Tables:
    """Reads the first tables of participants or sessions, of the folder's or of the dataset that it was derived from.

    Args:
      known: the subjects and sessions that have scans.
      listing: gets notes, hints and rows without ids.
      unreadable: the folders that are known to be unreadable.

    Raises: InputError that lists every missing column, repeated id and id that may stand for several.
    """
    # A derivative is stored in <dataset>/derivatives/<name>/; it may leave its tables to that dataset.
    origins = [parent.parent for parent in folder.absolute().parents if parent.name == "derivatives"]
    sessions_of = collections.defaultdict(list)
    for subject, session in known:
        sessions_of[subject].append(session)
    for root in (folder, *origins):
        participants = _read_participants(root, list(sessions_of), listing)
        sessions = _read_sessions(root, sessions_of, listing, unreadable)
        if participants or sessions:
            return Tables(participants, sessions)
    return Tables({}, {})


def read_scans_date(path: Path, note: collections.Counter[str]) -> str:
    """Returns the acq_time that the sub-*_scans.tsv beside a scan's folder gives, '' if none.

    Args:
      note: counts the tables that are there and cannot be opened, by reason.
    """
    folder = path.parent.parent
    own = [part for part in folder.parts[-2:] if part.startswith(("sub-", "ses-"))]
    table = folder / f"{'_'.join(own)}_scans.tsv"
    if absent := why_absent(table):
        note[f"scans.tsv left unread: {absent.detail}"] += os.path.lexists(table)
        return ""
    name = f"{path.parent.name}/{path.name}".removesuffix(".gz")  # tables may be older than a compression
    rows = [row for row in read_rows(table)[1] if row.cells.get("filename", "").removesuffix(".gz") == name]
    return rows[0].cells.get("acq_time", "") if rows else ""


def first_date(texts: list[str]) -> datetime.datetime | None:
    """Returns the first date that can be read."""
    dates = (parse_date(text) for text in texts if is_date(text))
    return next((date for date in dates if date), None)


def _read_participants(root: Path, subjects: list[str], listing: Listing) -> Rows:
    table = root / "participants.tsv"
    if not os.path.lexists(table):  # a link that leads nowhere is a table as well
        return {}
    rows = _read_keyed(table, ("participant_id",), listing)
    return _by_ids(table, [(subject, "") for subject in _subjects_of(table, rows, subjects, listing)], rows)


def _subjects_of(table: Path, rows: list[Row], subjects: list[str], listing: Listing) -> list[str]:
    """Returns the subject of each row, in the spelling of its folder; notes how many ids had another."""
    texts = [row.cells["participant_id"] for row in rows]
    matches = _match(table, texts, subjects, listing)
    changed = sum(written != meant for written, meant in matches.items())
    if changed:
        how = "written otherwise than their folders (sub-, leading zeros or case), and read as these"
        listing.notes.append(f"{changed} ids of {table.name} are {how}")
    return [matches.get(text, text) for text in texts]


def _read_sessions(
    root: Path, sessions_of: dict[str, list[str]], listing: Listing, unreadable: dict[Path, str]
) -> Rows:
    lost: dict[Path, str] = {}
    own_tables = [table for pattern in OWN_SESSIONS for table in expand(root, pattern, lost)]
    if new := lost.keys() - unreadable.keys():
        problems = listed(f"{folder}: {lost[folder]}" for folder in sorted(new))
        raise InputError(f"{root}: folders that may hold sessions.tsv cannot be read:\n{problems}")
    changed: collections.Counter[str] = collections.Counter()
    found: Rows = {}
    table = root / "sessions.tsv"
    if os.path.lexists(table):
        rows = _read_keyed(table, IDS, listing)
        whose = _subjects_of(table, rows, list(sessions_of), listing)
        found |= _read_own(table, whose, rows, sessions_of, listing, changed)
    for own in own_tables:
        rows = _read_keyed(own, ("session_id",), listing, own.parent.name)
        found |= _read_own(own, [own.parent.name] * len(rows), rows, sessions_of, listing, changed)
    for text, count in list(changed.items())[:3]:
        listing.notes.append(f"{count} session{'s' * (count != 1)}: {text}")
    return found


def _read_own(
    table: Path,
    whose: list[str],
    rows: list[Row],
    sessions_of: dict[str, list[str]],
    listing: Listing,
    changed: collections.Counter[str],
) -> Rows:
    """Returns rows by subject and session; `whose` has the subject of each. Counts sessions read as another's name."""
    written = collections.defaultdict(list)
    for subject, row in zip(whose, rows):
        written[subject].append(row.cells["session_id"])
    matches = {own: _match(table, texts, sessions_of.get(own, []), listing) for own, texts in written.items()}
    for own in matches.values():
        changed.update(f"{text} read as {meant}" for text, meant in own.items() if text != meant)
    texts = [row.cells["session_id"] for row in rows]
    ids = [(subject, matches[subject].get(text, text)) for subject, text in zip(whose, texts)]
    return _by_ids(table, ids, rows)


def _match(table: Path, written: list[str], known: list[str], listing: Listing) -> dict[str, str]:
    """Returns the folder that each id stands for. Raises: InputError that lists the ids that may stand for several."""
    matches, problems = match_ids(written, known)
    if problems:
        raise InputError(
            f"{table}: these ids may stand for several folders; spell them as the right one:\n{listed(problems)}"
        )
    strangers, lonely = [text for text in written if text not in matches], set(known) - set(matches.values())
    if strangers and lonely and len(listing.hints) < HINTS:
        listing.hints.append(f"{table.name} has {strangers[0]!r}, which no folder is called, but one {min(lonely)!r}")
    return matches


def _read_keyed(table: Path, ids: tuple[str, ...], listing: Listing, subject: str = "") -> list[Row]:
    """Returns the rows that have all `ids`; those that have not are refused. Raises: InputError for missing columns.

    Args:
      subject: that of all rows, in a table without participant_id.
    """
    header, rows = read_rows(table)
    missing = [name for name in ids if name not in header]
    if missing:
        raise InputError(f"{table}: needs the columns:\n{listed(missing)}")
    good = []
    for row in rows:
        problems = [f"{name} is empty" for name in ids if row.cells[name].lower() in MISSING]
        if problems:
            whose = row.cells.get("participant_id", subject) or place_of(row)
            listing.refused.append(RefusedRow(whose, place_of(row), *bad_row(table, row, problems)))
        else:
            good.append(row)
    return good


def _by_ids(table: Path, ids: list[Ids], rows: list[Row]) -> Rows:
    counts = collections.Counter(ids)
    problems = [f"{' '.join(filter(None, key))} is listed {count} times" for key, count in counts.items() if count > 1]
    if problems:
        raise InputError(f"{table}: this table cannot be used:\n{listed(problems)}")
    return {key: (table, row) for key, row in zip(ids, rows)}
