"""Reads a BIDS dataset, or Clinica's derivative of one (CAPS): scans by file name, all else from tables.

The tables are participants.tsv (by participant_id), sessions.tsv (by participant_id and session_id) and each subject's
sub-*_sessions.tsv (by session_id). They are in the dataset's folder, or in that of the dataset it was derived from.
"""

import collections
import fnmatch
import re
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.rows import read_rows
from dynjax.cohort.scan import MISSING, Scan, natural_key, parse_date
from dynjax.errors import InputError, UsageError, listed

LABELS = ("diagnosis", "diagnosis_bl", "diagnosis_sc", "group", "dx", "dx_bl", "label")  # in order of preference
AGE, SEX, SITE, ACQUIRED = ("age", "age_bl"), ("sex",), ("site",), ("acq_time", "examination_date")
IDS = ("participant_id", "session_id")
MARKS = ("participants.tsv", "dataset_description.json")
NO_SESSION = "n/a"  # the session of every scan in a dataset without sessions
CLINICA_SITE = re.compile(r"sub-ADNI(\d{3})S\d{4,5}")  # ADNI's subject 002_S_0295 is sub-ADNI002S0295

Rows = dict[tuple[str, str], dict[str, str]]  # (subject, session) -> columns; '' as session in participants.tsv


class FolderLayout(NamedTuple):
    """The layout of a folder, and how to recognise it.

    name: for messages. subjects: glob pattern of the subjects' folders. scans: glob patterns of the T1w scans.
    """

    name: str
    subjects: str
    scans: tuple[str, ...]


CAPS = FolderLayout("CAPS folder", "subjects/sub-*/", ("subjects/sub-*/ses-*/t1_linear/*_T1w.nii*",))
BIDS = FolderLayout("BIDS dataset", "sub-*/", ("sub-*/anat/*_T1w.nii*", "sub-*/ses-*/anat/*_T1w.nii*"))


class Tables(NamedTuple):
    """The rows of the tables of participants and of sessions."""

    participants: Rows
    sessions: Rows

    def value(self, subject: str, session: str, columns: tuple[str, ...]) -> str:
        """Returns the first known value of `columns`, '' if there is none; a session's precedes its subject's."""
        rows = self.sessions.get((subject, session), {}), self.participants.get((subject, ""), {})
        for column in columns:
            for row in rows:
                text = row.get(column, "")
                if text.lower() not in MISSING:
                    return text
        return ""

    def others(self, subject: str, session: str, known: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Returns (column, text) for each column not in `known`; a session's text replaces its subject's."""
        row = self.participants.get((subject, ""), {}) | self.sessions.get((subject, session), {})
        return tuple((name, text) for name, text in row.items() if name not in known)

    def columns(self) -> list[str]:
        """Returns the columns with a known value in any row, those of the sessions first."""
        names: dict[str, None] = {}  # an ordered set
        for row in (*self.sessions.values(), *self.participants.values()):
            names |= {name: None for name, text in row.items() if text.lower() not in MISSING}
        return [name for name in names if name not in (*IDS, "#")]


def layout_of(folder: Path) -> FolderLayout | None:
    """Recognises a CAPS folder or a BIDS dataset; returns None for any other folder.

    A folder with sub-* folders and a .csv is BIDS only if it has one of MARKS: the .csv may be a plain scan table.
    """
    if any(folder.glob(CAPS.subjects)):
        return CAPS
    is_marked = any((folder / name).exists() for name in MARKS) or not any(folder.glob("*.csv"))
    return BIDS if is_marked and any(folder.glob(BIDS.subjects)) else None


def read_dataset(
    folder: Path, layout: FolderLayout, description: str, label_column: str, excluded: dict[str, int]
) -> tuple[list[Scan], str]:
    """Returns the dataset's scans, one for each subject and session, and the column of their labels.

    Args:
      description: a pattern for file names, such as '*acq-mprage*'; scans with other names are excluded.
      label_column: '' takes the first of LABELS that has a value.
      excluded: counts the excluded scans by reason.

    Raises: InputError for a dataset without scans or labels, or with unusable tables or names; UsageError if the
    dataset lacks `label_column`.
    """
    groups = _group_scans(folder, layout)
    tables = _read_tables(folder)
    column = _find_label_column(folder, layout, tables, label_column)
    scans, problems = [], []
    for (subject, session), paths in groups.items():
        path = _choose(paths, description, excluded)
        if path is None:
            continue
        reason = _reason_to_exclude(subject, session, tables, column)
        if reason:
            excluded[reason] += 1
            continue
        try:
            scans.append(_scan(subject, session, path, tables, column))
        except ValueError as error:
            problems.append(f"{subject}, {session}: {error}; BIDS writes 2006-01-31T12:00:00")
    if problems:
        raise InputError(f"{folder}: this {layout.name} cannot be used:\n{listed(problems)}")
    scanned = {subject for subject, _ in groups}
    unscanned = [subject for subject, _ in tables.participants if subject not in scanned]
    if unscanned:
        excluded["subject of participants.tsv without a T1w scan"] = len(unscanned)
    return scans, column


def _reason_to_exclude(subject: str, session: str, tables: Tables, column: str) -> str | None:
    if tables.participants and (subject, "") not in tables.participants:
        return "subject that participants.tsv does not list"
    if not tables.value(subject, session, (column,)):
        return f"no {column} is known"
    return None


def _scan(subject: str, session: str, path: Path, tables: Tables, column: str) -> Scan:
    label = tables.value(subject, session, (column,))
    age = tables.value(subject, session, AGE)
    sex = tables.value(subject, session, SEX)
    site = tables.value(subject, session, SITE) or "".join(CLINICA_SITE.findall(subject))
    acquired = parse_date(tables.value(subject, session, ACQUIRED))
    others = tables.others(subject, session, (*IDS, "#", column, *AGE, *SEX, *SITE, *ACQUIRED))
    return Scan(subject, session, label, path, age, sex, site, acquired, others)


def _group_scans(folder: Path, layout: FolderLayout) -> dict[tuple[str, str], list[Path]]:
    """Returns all T1w scans by (subject, session).

    Raises: InputError if there are none, or if a file's name does not match its folder.
    """
    groups, problems = collections.defaultdict(list), []
    paths = [path for pattern in layout.scans for path in folder.glob(pattern)]
    for path in sorted(paths):
        if path.name.startswith(".") or not path.name.endswith((".nii", ".nii.gz")):
            continue
        entities = [part for part in path.parent.relative_to(folder).parts if part.startswith(("sub-", "ses-"))]
        if not path.name.startswith("_".join(entities) + "_"):
            problems.append(f"{path}: its name does not begin with {'_'.join(entities)}_, as its folder does")
        session = entities[1] if len(entities) > 1 else NO_SESSION
        groups[entities[0], session].append(path)
    if problems:
        raise InputError(f"{folder}: this {layout.name} cannot be used:\n{listed(problems)}")
    if not groups:
        raise InputError(f"{folder}: a {layout.name} without T1w scans: no file is {' or '.join(layout.scans)}")
    return groups


def _choose(paths: list[Path], description: str, excluded: dict[str, int]) -> Path | None:
    """Returns the scan to use for a session, if any, and counts the others in `excluded` by reason.

    A scan in MNI space is preferred, then one that is not derived, then the one with the fewest entities, then the
    first by name. A derived scan (desc-) outside MNI space is used only if `description` matches it.
    """
    named = [p for p in paths if not description or fnmatch.fnmatchcase(p.name.lower(), description.lower())]
    usable = [p for p in named if description or "_desc-" not in p.name or "_space-MNI" in p.name]
    best = min(usable, key=_preference, default=None)
    for path in paths:
        if path not in named:
            excluded["name other than cohort.description"] += 1
        elif path not in usable:
            excluded["derived scan (desc-) that is not in MNI space"] += 1
        elif path != best:
            excluded["another T1w scan of the same session"] += 1
    return best


def _preference(path: Path) -> tuple:
    """Sort key of `_choose`: False comes before True, and each entity has one hyphen."""
    name = path.name
    return "_space-MNI" not in name, "_desc-" in name, name.count("-"), natural_key(name)


def _read_tables(folder: Path) -> Tables:
    # A derivative is stored in <dataset>/derivatives/<name>/; it may leave its tables to that dataset.
    origins = [parent.parent for parent in folder.absolute().parents if parent.name == "derivatives"]
    for root in (folder, *origins):
        tables = Tables(_read_participants(root), _read_sessions(root))
        if tables.participants or tables.sessions:
            return tables
    return Tables({}, {})


def _read_participants(root: Path) -> Rows:
    table = root / "participants.tsv"
    return _read_keyed(table, ("participant_id",), "") if table.exists() else {}


def _read_sessions(root: Path) -> Rows:
    table = root / "sessions.tsv"
    found = _read_keyed(table, IDS, "") if table.exists() else {}
    own_tables = [path for layout in (BIDS, CAPS) for path in root.glob(f"{layout.subjects}sub-*_sessions.tsv")]
    for own in sorted(own_tables):
        found |= _read_keyed(own, ("session_id",), own.parent.name)
    return found


def _read_keyed(table: Path, ids: tuple[str, ...], subject: str) -> Rows:
    """Returns the rows by subject and session.

    Args:
      ids: those of IDS that the table has as columns.
      subject: the subject of every row in a table without participant_id.

    Raises: InputError that lists every missing column, malformed id and repeated key.
    """
    header, rows = read_rows(table)
    missing = [name for name in ids if name not in header]
    if missing:
        raise InputError(f"{table}: needs the columns:\n{listed(missing)}")
    problems, keys = [], []
    for row in rows:
        problems += _malformed_ids(row, ids)
        session = row["session_id"] if "session_id" in ids else ""
        keys.append((row["participant_id"] if "participant_id" in ids else subject, session))
    counts = collections.Counter(keys)
    problems += [f"{' '.join(filter(None, key))} is listed {count} times" for key, count in counts.items() if count > 1]
    if problems:
        raise InputError(f"{table}: this table cannot be used:\n{listed(problems)}")
    return dict(zip(keys, rows))


def _malformed_ids(row: dict[str, str], ids: tuple[str, ...]) -> list[str]:
    prefixes = {"participant_id": "sub-", "session_id": "ses-"}
    return [
        f"line {row['#']}: {name} {row[name]!r} does not begin with {prefixes[name]}"
        for name in ids
        if not row[name].startswith(prefixes[name])
    ]


def _find_label_column(folder: Path, layout: FolderLayout, tables: Tables, named: str) -> str:
    columns = tables.columns()
    if named:
        if named not in columns:
            known = ", ".join(columns) or "none"
            raise UsageError(f"cohort.label_column={named!r}: {folder} has no such column; its columns: {known}")
        return named
    by_lower = {name.lower(): name for name in reversed(columns)}  # the first of names that differ only in case wins
    for name in LABELS:
        if name in by_lower:
            return by_lower[name]
    if columns:
        advice = f"set --config.cohort.label_column to one of its columns: {', '.join(columns)}"
        raise InputError(f"{folder}: a {layout.name} without labels: no column is {', '.join(LABELS)}; {advice}")
    raise InputError(
        f"{folder}: a {layout.name} without labels: add a participants.tsv (participant_id, diagnosis) or a "
        "sessions.tsv (participant_id, session_id, diagnosis)"
    )
