"""Makes a cohort from a scan table: chooses subjects and scans, and lists every reason to refuse the table."""

import collections
import functools
import os
from pathlib import Path

from dynjax.cohort import adni, bids
from dynjax.cohort.absent import why_absent
from dynjax.cohort.folders import check_readable
from dynjax.cohort.listing import Listing
from dynjax.cohort.plain import OPTIONAL, REQUIRED, read_plain
from dynjax.cohort.rows import read_rows
from dynjax.cohort.scan import Cohort, RefusedRow, Scan
from dynjax.cohort.spelling import read_ages, read_labels, read_sexes
from dynjax.cohort.visits import by_subject, choose_visits, note_converters
from dynjax.errors import InputError, UsageError, listed

__all__ = ["OPTIONAL", "PHANTOM_MARK", "REQUIRED", "VISITS", "load_cohort"]

VISITS = ("first", "all")
PHANTOM_MARK = "severity.tsv"  # a file beside the table of a phantom cohort, and of no other


def load_cohort(
    table: str | Path,
    labels: tuple[str, str] = ("CN", "AD"),
    visit: str = "first",
    description: str = "",
    label_column: str = "",
) -> Cohort:
    """Reads a cohort from a plain CSV, an ADNI collection CSV, a folder with either, a BIDS dataset or a CAPS folder.

    A row that is wrong, or whose file cannot be opened, is in `Cohort.refused` instead of `Cohort.scans`, if the scan
    would have been chosen.

    Args:
      table: the file or folder; paths in a plain CSV are relative to it.
      labels: (negative, positive); scans with other labels are excluded and counted. A label also matches itself in
        another case, and its `spelling.SYNONYMS`.
      visit: 'first' keeps each subject's earliest scan with one of the labels, as `visits.in_time` orders them; 'all'
        keeps every scan with one.
      description: a pattern for the series of an ADNI download, such as 'MT1*N3m', or for the file names of a BIDS
        dataset or CAPS folder, such as '*acq-mprage*'; scans that do not match are excluded.
      label_column: the column of labels; '' means 'label' in a plain CSV, 'Group' in an ADNI collection, and elsewhere
        the first of `bids.LABELS` that has a value.

    Raises: InputError that lists every offending column, id or file listed twice, or all rows if none can be used;
      UsageError for an option that does not apply.
    """
    source, listing = _read(Path(os.path.expanduser(table)), description, label_column)
    scans, read_as = read_labels(listing.scans, labels)
    scans, sexes = read_sexes(scans)
    scans, ages = read_ages(scans)
    chosen, decided = choose_visits(_keep_labels(scans, labels, listing.excluded), visit, listing.excluded)
    usable, refused = _separate(chosen, listing)
    problems = _repeated_files(usable) + _two_labels(chosen) + _without_scans(labels, scans, listing)
    if problems:
        raise InputError(f"{source}: the scan table cannot be used:\n{listed(problems)}")
    if not usable:
        raise InputError(f"{source}: none of its {len(refused)} scans can be used:\n{listed(refused)}")
    series = adni.note_descriptions(chosen) if listing.kind == adni.KIND and not description else []
    notes = [*listing.notes, *sexes, *ages, *series, *decided, *note_converters(scans, chosen, labels, visit)]
    synthetic = ((source if source.is_dir() else source.parent) / PHANTOM_MARK).exists()
    about = (str(source), synthetic, dict(listing.excluded), ", ".join([listing.kind, *read_as]))
    return Cohort(tuple(usable), labels, *about, notes=tuple(notes), refused=tuple(refused), hints=tuple(listing.hints))


def _read(path: Path, description: str, label_column: str) -> tuple[Path, Listing]:
    """Returns the file or folder that was read, and what it lists."""
    path = path.parent if path.name in bids.MARKS else path  # participants.tsv names its dataset
    if os.path.isdir(path):
        check_readable(path)
        if layout := bids.layout_of(path):
            return path, bids.read_dataset(path, layout, description, label_column)
    table = _find_table(path)
    header, rows = read_rows(table)
    if adni.is_collection(header):
        return table, adni.read_collection(table, header, rows, description, label_column or "Group")
    if description:
        raise UsageError(f"cohort.description is for ADNI downloads and BIDS datasets; {table} is a plain CSV")
    return table, read_plain(table, header, rows, label_column or "label")


def _find_table(path: Path) -> Path:
    if not os.path.isdir(path):
        return path
    tables = sorted(table for table in path.glob("*.csv") if not table.name.startswith("."))
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables) or "none"
        other = f"nor is it a BIDS dataset ({bids.BIDS.subjects}) or a CAPS folder ({bids.CAPS.subjects})"
        raise InputError(f"{path}: the folder must have one .csv as its scan table; found: {found}; {other}")
    return tables[0]


def _keep_labels(scans: list[Scan], labels: tuple[str, str], excluded: collections.Counter[str]) -> list[Scan]:
    for scan in scans:
        if scan.label not in labels:
            excluded[f"label {scan.label}"] += 1
    return [scan for scan in scans if scan.label in labels]


def _separate(scans: list[Scan], listing: Listing) -> tuple[list[Scan], list[RefusedRow]]:
    """Returns the scans that can be used, and all that is refused: for a fault of its row, or else of its file."""
    usable, refused = [], list(listing.refused)
    for scan in scans:
        fault = listing.faults.get((scan.subject, scan.session))
        if fault:
            refused.append(RefusedRow(scan.subject, scan.session, *fault))
        elif absent := why_absent(scan.path):
            refused.append(RefusedRow(scan.subject, scan.session, str(scan.path), absent))
        else:
            usable.append(scan)
    return usable, refused


def _repeated_files(scans: list[Scan]) -> list[str]:
    """Lists the files that several scans name, whether by the same path, another spelling of it or a link."""
    named, folder = collections.defaultdict(list), functools.cache(os.path.realpath)  # asks for each folder once
    for scan in scans:
        path, name = os.path.split(scan.path)
        named[os.path.realpath(scan.path) if os.path.islink(scan.path) else f"{folder(path)}/{name}"].append(scan)
    problems = []
    for path, group in named.items():
        if len(group) > 1:
            names = list(dict.fromkeys(str(scan.path) for scan in group))
            spelt = f" (as {', '.join(names)})" if len(names) > 1 else ""
            problems.append(f"{path}: listed for {len(group)} scans{spelt}")
    return problems


def _two_labels(scans: list[Scan]) -> list[str]:
    problems = []
    for subject, group in by_subject(scans).items():
        labels = sorted({scan.label for scan in group})
        if len(labels) > 1:
            problems.append(f"subject {subject} has two labels: {', '.join(labels)}")
    return problems


def _without_scans(labels: tuple[str, str], scans: list[Scan], listing: Listing) -> list[str]:
    """Lists the labels that no scan has, then what may explain it: labels found, exclusions, hints, refused rows."""
    found = collections.Counter(scan.label for scan in scans)
    problems = [f"no scan is labelled {label}" for label in labels if not found[label]]
    if problems:
        choices = ", ".join(f"{count} {label}" for label, count in sorted(found.items())) or "none"
        problems.append(f"labels found, for --config.cohort.labels: {choices}")
        problems += [f"excluded: {count} ({reason})" for reason, count in listing.excluded.items() if count]
        problems += listing.hints + [str(row) for row in listing.refused]
    return problems
