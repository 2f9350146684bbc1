"""A BIDS dataset, or what Clinica made of one (CAPS): scans by their names, all else from participants and sessions.

The tables are participants.tsv (by participant_id), sessions.tsv (by participant_id and session_id) and each subject's
sub-*_sessions.tsv (by session_id), in the dataset's folder or in that of the dataset it was derived from.
"""

import collections
import fnmatch
import re
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.rows import read_rows
from dynjax.cohort.scan import MISSING, Scan, natural_key, parse_date
from dynjax.errors import InputError, UsageError, listed

LABELS = ("diagnosis", "diagnosis_bl", "diagnosis_sc", "group", "dx", "dx_bl", "label")  # the first that says something
AGE, SEX, SITE, ACQUIRED = ("age", "age_bl"), ("sex",), ("site",), ("acq_time", "examination_date")
IDS = ("participant_id", "session_id")
MARKS = ("participants.tsv", "dataset_description.json")
NO_SESSION = "n/a"  # of a dataset without sessions
CLINICA_SITE = re.compile(r"sub-ADNI(\d{3})S\d{4,5}")  # ADNI's subject 002_S_0295 is sub-ADNI002S0295

Rows = dict[tuple[str, str], dict[str, str]]  # (subject, session) -> columns; session '' in a table of participants


class FolderLayout(NamedTuple):
    """name: for messages. subjects: pattern of the folders by which it is known. scans: patterns of its T1w scans."""

    name: str
    subjects: str
    scans: tuple[str, ...]


CAPS = FolderLayout("CAPS folder", "subjects/sub-*/", ("subjects/sub-*/ses-*/t1_linear/*_T1w.nii*",))
BIDS = FolderLayout("BIDS dataset", "sub-*/", ("sub-*/anat/*_T1w.nii*", "sub-*/ses-*/anat/*_T1w.nii*"))


class Tables(NamedTuple):
    """What is known of subjects and of their sessions."""

    participants: Rows
    sessions: Rows

    def value(self, subject: str, session: str, columns: tuple[str, ...]) -> str:
        """The first that is known, a session's before its subject's; '' if none is."""
        rows = self.sessions.get((subject, session), {}), self.participants.get((subject, ""), {})
        texts = (row.get(column, "") for column in columns for row in rows)
        return next((text for text in texts if text.lower() not in MISSING), "")

    def others(self, subject: str, session: str, known: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        row = self.participants.get((subject, ""), {}) | self.sessions.get((subject, session), {})
        return tuple((name, text) for name, text in row.items() if name not in known)

    def columns(self) -> list[str]:
        """Those that have a value anywhere, those of sessions first."""
        rows = [*self.sessions.values(), *self.participants.values()]
        told = {name: None for row in rows for name, text in row.items() if text.lower() not in MISSING}
        return [name for name in told if name not in (*IDS, "#")]


def layout_of(folder: Path) -> FolderLayout | None:
    """None for what is neither. A folder with a .csv and sub-* folders is BIDS only if it says so by one of MARKS."""
    if any(folder.glob(CAPS.subjects)):
        return CAPS
    is_marked = any((folder / name).exists() for name in MARKS) or not any(folder.glob("*.csv"))
    return BIDS if is_marked and any(folder.glob(BIDS.subjects)) else None


def read_dataset(
    folder: Path, layout: FolderLayout, description: str, label_column: str, excluded: dict[str, int]
) -> tuple[list[Scan], str]:
    """The dataset's scans, one a subject and session, and the column that labels them.

    Args:
      description: a pattern for the names of scans, such as '*acq-mprage*'; those of other names are left out.
      label_column: '' takes the first of LABELS that says anything.
      excluded: what is left out is counted here, by reason.

    Raises: InputError for a dataset without scans or labels, or with tables or names that cannot be used; UsageError
    for a `label_column` that is not there.
    """
    groups = _group_scans(folder, layout)
    tables = _read_tables(folder)
    column = _find_label_column(folder, layout, tables, label_column)
    scans, problems = [], []
    for (subject, session), paths in groups.items():
        path = _choose(paths, description, excluded)
        if path is None:
            continue
        if tables.participants and (subject, "") not in tables.participants:
            excluded["subject that participants.tsv does not list"] += 1
        elif not tables.value(subject, session, (column,)):
            excluded[f"no {column} is known"] += 1
        else:
            try:
                scans.append(_scan(subject, session, path, tables, column))
            except ValueError as error:
                problems.append(f"{subject}, {session}: {error}; BIDS writes 2006-01-31T12:00:00")
    if problems:
        raise InputError(f"{folder}: this {layout.name} cannot be used:\n{listed(problems)}")
    scanned = {subject for subject, _ in groups}
    if absent := sum(subject not in scanned for subject, _ in tables.participants):
        excluded["subject of participants.tsv without a T1w scan"] = absent
    return scans, column


def _scan(subject: str, session: str, path: Path, tables: Tables, column: str) -> Scan:
    label, age, sex, site, date = (
        tables.value(subject, session, names) for names in ((column,), AGE, SEX, SITE, ACQUIRED)
    )
    site = site or "".join(CLINICA_SITE.findall(subject))
    others = tables.others(subject, session, (*IDS, "#", column, *AGE, *SEX, *SITE, *ACQUIRED))
    return Scan(subject, session, label, path, age, sex, site, parse_date(date), others)


def _group_scans(folder: Path, layout: FolderLayout) -> dict[tuple[str, str], list[Path]]:
    """(subject, session) -> all its T1w scans. Raises: InputError if there are none, or some lie in a wrong folder."""
    groups, problems = collections.defaultdict(list), []
    for path in sorted(path for pattern in layout.scans for path in folder.glob(pattern)):
        if path.name.startswith(".") or not path.name.endswith((".nii", ".nii.gz")):
            continue
        entities = [part for part in path.parent.relative_to(folder).parts if part.startswith(("sub-", "ses-"))]
        if not path.name.startswith("_".join(entities) + "_"):
            problems.append(f"{path}: its name does not begin with {'_'.join(entities)}_, the folder that it lies in")
        subject, session = (*entities, NO_SESSION)[:2]
        groups[subject, session].append(path)
    if problems:
        raise InputError(f"{folder}: this {layout.name} cannot be used:\n{listed(problems)}")
    if not groups:
        raise InputError(f"{folder}: a {layout.name} without T1w scans: no file is {' or '.join(layout.scans)}")
    return groups


def _choose(paths: list[Path], description: str, excluded: dict[str, int]) -> Path | None:
    """One scan of a session, in MNI space if one is; then the least derived, of the fewest entities, the first by name.

    A derived scan that is not in MNI space is taken only if `description` names it.
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
    name = path.name
    return "_space-MNI" not in name, "_desc-" in name, name.count("-"), natural_key(name)


def _read_tables(folder: Path) -> Tables:
    origins = [parent.parent for parent in folder.absolute().parents if parent.name == "derivatives"]
    for root in (folder, *origins):
        if any(tables := Tables(_read_participants(root), _read_sessions(root))):
            return tables
    return Tables({}, {})


def _read_participants(root: Path) -> Rows:
    table = root / "participants.tsv"
    return _read_keyed(table, IDS[:1], "") if table.exists() else {}


def _read_sessions(root: Path) -> Rows:
    table = root / "sessions.tsv"
    found = _read_keyed(table, IDS, "") if table.exists() else {}
    for own in sorted(path for kind in (BIDS, CAPS) for path in root.glob(f"{kind.subjects}sub-*_sessions.tsv")):
        found |= _read_keyed(own, IDS[1:], own.parent.name)
    return found


def _read_keyed(table: Path, ids: tuple[str, ...], subject: str) -> Rows:
    """The rows by subject and session; `subject` is that of a table which has no column for it.

    Raises: InputError that lists every id which is missing, of another form or there twice.
    """
    header, rows = read_rows(table)
    if lacking := [name for name in ids if name not in header]:
        raise InputError(f"{table}: needs the columns:\n{listed(lacking)}")
    problems = [
        f"line {row['#']}: {name} {row[name]!r} does not begin with {prefix}"
        for row in rows
        for name, prefix in zip(IDS, ("sub-", "ses-"))
        if name in ids and not row[name].startswith(prefix)
    ]
    whole = [{IDS[0]: subject, IDS[1]: ""} | {name: row[name] for name in ids} for row in rows]
    keys = [(ids_of[IDS[0]], ids_of[IDS[1]]) for ids_of in whole]
    problems += [f"{' '.join(key)} stands {n} times" for key, n in collections.Counter(keys).items() if n > 1]
    if problems:
        raise InputError(f"{table}: this table cannot be used:\n{listed(problems)}")
    return dict(zip(keys, rows))


def _find_label_column(folder: Path, layout: FolderLayout, tables: Tables, named: str) -> str:
    columns = tables.columns()
    if named:
        if named not in columns:
            there = ", ".join(columns) or "none"
            raise UsageError(f"cohort.label_column={named!r}: {folder} has no such column; there are: {there}")
        return named
    by_lower = {name.lower(): name for name in reversed(columns)}
    for name in LABELS:
        if name in by_lower:
            return by_lower[name]
    if columns:
        there = f"choose one by --config.cohort.label_column; there are: {', '.join(columns)}"
        raise InputError(f"{folder}: a {layout.name} without labels: no column is {', '.join(LABELS)}; {there}")
    raise InputError(
        f"{folder}: a {layout.name} without labels: put a participants.tsv (participant_id, diagnosis) into it, or a "
        "sessions.tsv (participant_id, session_id, diagnosis)"
    )
