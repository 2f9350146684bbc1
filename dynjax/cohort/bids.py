"""Reads a BIDS dataset, or Clinica's derivative of one (CAPS): scans by file name, all else from `bids_tables`."""

import collections
import fnmatch
import re
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.bids_tables import IDS, Tables, first_date, read_scans_date, read_tables
from dynjax.cohort.folders import expand
from dynjax.cohort.listing import Fault, Ids, Listing, bad_row, empty_listing
from dynjax.cohort.scan import RefusedRow, Scan, is_date
from dynjax.cohort.series import Choices, differing_entities, name_key, name_preference, partial_entity
from dynjax.errors import InputError, UsageError, listed
from dynjax.volumes.finding import Finding

LABELS = ("diagnosis", "diagnosis_bl", "diagnosis_sc", "group", "dx", "dx_bl", "label")  # in order of preference
AGE, SEX, SITE, ACQUIRED = ("age", "age_bl"), ("sex",), ("site",), ("acquired", "acq_time", "examination_date")
MARKS = ("participants.tsv", "dataset_description.json")
NO_SESSION = "n/a"  # the session of every scan in a dataset without sessions
CLINICA_SITE = re.compile(r"sub-ADNI(\d{3})S\d{4,5}")  # ADNI's subject 002_S_0295 is sub-ADNI002S0295


class FolderLayout(NamedTuple):
    """The layout of a folder, and how to recognise it.

    name: for messages. subjects: glob pattern of the subjects' folders. scans: glob patterns of the T1w scans.
    """

    name: str
    subjects: str
    scans: tuple[str, ...]


class Files(NamedTuple):
    """The T1w scans of a dataset by subject and session, and the folders that cannot be read, with the reason."""

    groups: dict[Ids, list[Path]]
    unreadable: dict[Path, str]


CAPS = FolderLayout("CAPS folder", "subjects/sub-*/", ("subjects/sub-*/ses-*/t1_linear/*_T1w.nii*",))
BIDS = FolderLayout("BIDS dataset", "sub-*/", ("sub-*/anat/*_T1w.nii*", "sub-*/ses-*/anat/*_T1w.nii*"))


def layout_of(folder: Path) -> FolderLayout | None:
    """Recognises a CAPS folder or a BIDS dataset; returns None for any other folder.

    A folder with sub-* folders and a .csv is BIDS only if it has one of MARKS: the .csv may be a plain scan table.
    """
    if any(folder.glob(CAPS.subjects)):
        return CAPS
    is_marked = any((folder / name).exists() for name in MARKS) or not any(folder.glob("*.csv"))
    return BIDS if is_marked and any(folder.glob(BIDS.subjects)) else None


def read_dataset(folder: Path, layout: FolderLayout, description: str, label_column: str) -> Listing:
    """Returns the dataset's scans, one for each subject and session.

    Args:
      description: a pattern for file names, such as '*acq-mprage*'; scans with other names are excluded.
      label_column: '' takes the first of LABELS that has a value.

    Raises: InputError for a dataset without scans or labels, or with unusable tables or names; UsageError if the
    dataset lacks `label_column`.
    """
    files, listing = _find_scans(folder, layout), empty_listing("")
    known = [*files.groups, *(_ids_of(lost, folder) for lost in files.unreadable)]
    tables = read_tables(folder, known, listing, files.unreadable)
    column = _find_label_column(folder, layout, tables, label_column)
    choices, undated = Choices("{} sessions have"), collections.Counter[str]()
    for (subject, session), paths in files.groups.items():
        path = _choose(paths, description, listing.excluded, choices)
        if path is None:
            continue
        reason = _reason_to_exclude(subject, session, tables, column)
        if reason:
            listing.excluded[reason] += 1
            continue
        listing.scans.append(_scan(subject, session, path, tables, column, undated))
        _add_fault(subject, session, tables, listing)
    for lost, reason in files.unreadable.items():
        _add_unreadable(lost, reason, folder, tables, column, listing)
    scanned = {subject for subject, _ in known}
    unscanned = [subject for subject, _ in tables.participants if subject not in scanned]
    if unscanned:
        listing.excluded["subject of participants.tsv without a T1w scan"] = len(unscanned)
    listing.notes.extend([*choices.notes(), *(f"{count} {text}" for text, count in undated.items() if count)])
    return listing._replace(kind=f"a {layout.name}, labels from {column}")


def _add_fault(subject: str, session: str, tables: Tables, listing: Listing) -> None:
    """Adds the fault of a scan whose row in a table has one."""
    faults = [bad_row(table, row, [row.fault]) for table, row in tables.rows(subject, session) if row.fault]
    if faults:
        listing.faults[subject, session] = faults[0]


def _add_unreadable(lost: Path, reason: str, folder: Path, tables: Tables, column: str, listing: Listing) -> None:
    """Adds a folder that cannot be read as a scan with a fault, or as refused if its label is not known."""
    subject, session = _ids_of(lost, folder)
    fault = Fault(str(lost), Finding("unreadable", f"this folder cannot be read ({reason})"))
    label = tables.value(subject, session, (column,))
    if label:
        listing.scans.append(Scan(subject, session, label, lost))
        listing.faults[subject, session] = fault
    else:
        listing.refused.append(RefusedRow(subject, session, *fault))


def _reason_to_exclude(subject: str, session: str, tables: Tables, column: str) -> str | None:
    if tables.participants and (subject, "") not in tables.participants:
        return "subject that participants.tsv does not list"
    if not tables.value(subject, session, (column,)):
        return f"no {column} is known"
    return None


def _scan(
    subject: str, session: str, path: Path, tables: Tables, column: str, undated: collections.Counter[str]
) -> Scan:
    label = tables.value(subject, session, (column,))
    age = tables.value(subject, session, AGE)
    sex = tables.value(subject, session, SEX)
    site = tables.value(subject, session, SITE) or "".join(CLINICA_SITE.findall(subject))
    texts = tables.dates(subject, session)
    if not first_date(texts):
        texts.append(read_scans_date(path, undated))
    acquired = first_date(texts)
    if acquired is None and not all(map(is_date, texts)):
        undated["sessions have a date that cannot be read"] += 1
    others = tables.others(subject, session, (*IDS, column, *AGE, *SEX, *SITE, *ACQUIRED))
    return Scan(subject, session, label, path, age, sex, site, acquired, others)


def _find_scans(folder: Path, layout: FolderLayout) -> Files:
    """Finds all T1w scans. Raises: InputError if there are none, or if a file's name does not match its folder."""
    files, problems = Files(collections.defaultdict(list), {}), []
    paths = [path for pattern in layout.scans for path in expand(folder, pattern, files.unreadable)]
    for path in sorted(paths):
        if path.name.startswith(".") or not path.name.endswith((".nii", ".nii.gz")):
            continue
        entities = _entities(path.parent, folder)
        if not path.name.startswith("_".join(entities) + "_"):
            problems.append(f"{path}: its name does not begin with {'_'.join(entities)}_, as its folder does")
        files.groups[_ids_of(path.parent, folder)].append(path)
    if problems:
        raise InputError(f"{folder}: this {layout.name} cannot be used:\n{listed(problems)}")
    if not files.groups and not files.unreadable:
        raise InputError(f"{folder}: a {layout.name} without T1w scans: no file is {' or '.join(layout.scans)}")
    return files


def _entities(path: Path, folder: Path) -> list[str]:
    return [part for part in path.relative_to(folder).parts if part.startswith(("sub-", "ses-"))]


def _ids_of(path: Path, folder: Path) -> Ids:
    """Returns the subject and the session of a folder within the dataset."""
    subject, *session = _entities(path, folder) or [str(path)]
    return subject, session[0] if session else NO_SESSION


def _choose(paths: list[Path], description: str, excluded: collections.Counter[str], choices: Choices) -> Path | None:
    """Returns the scan to use for a session, if any, and counts the others in `excluded` by reason.

    A scan in MNI space is preferred, then one that is not derived, then the one with the fewest entities, then the
    first by name; the last two choices are counted in `choices`. Unless `description` matches it, a derived scan
    (desc-) outside MNI space is not used, nor one whose name says that it is no whole anatomical scan.
    """
    usable = []
    for path in paths:
        if description and not fnmatch.fnmatchcase(path.name.lower(), description.lower()):
            excluded["name other than cohort.description"] += 1
        elif not description and partial_entity(path.name):
            excluded[f"no whole anatomical scan ({partial_entity(path.name)})"] += 1
        elif not description and "_desc-" in path.name and "_space-MNI" not in path.name:
            excluded["derived scan (desc-) that is not in MNI space"] += 1
        else:
            usable.append(path)
    if not usable:
        return None
    best, *others = sorted(usable, key=name_key)
    if others:
        excluded["another T1w scan of the same session"] += len(others)
    alike = [path.name for path in (best, *others) if name_preference(path.name) == name_preference(best.name)]
    if len(alike) > 1:
        described = differing_entities(alike)
        choices.add(" and ".join(described), described[0])
    return best


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
