"""Makes a cohort from a scan table: chooses subjects and scans, and lists every reason to refuse the table."""

import collections
import difflib
from collections.abc import Iterable
from pathlib import Path

from dynjax.cohort import adni, bids
from dynjax.cohort.rows import read_rows
from dynjax.cohort.scan import Cohort, Scan, natural_key, parse_date
from dynjax.errors import InputError, UsageError, listed

REQUIRED = ("subject", "session", "label", "path")
OPTIONAL = ("age", "sex", "site", "acquired")
VISITS = ("first", "all")
PHANTOM_MARK = "severity.tsv"  # a file beside the table of a phantom cohort, and of no other
SYNONYMS = {"ad": ("dementia",), "cn": ("cu", "nc", "normal")}  # ADNIMERGE's; those used by studies on ADNI


def load_cohort(
    table: str | Path,
    labels: tuple[str, str] = ("CN", "AD"),
    visit: str = "first",
    description: str = "",
    label_column: str = "",
) -> Cohort:
    """Reads a cohort from a plain CSV, an ADNI collection CSV, a folder with either, a BIDS dataset or a CAPS folder.

    Args:
      table: the file or folder; paths in a plain CSV are relative to it.
      labels: (negative, positive); scans with other labels are excluded and counted. A label that no scan has also
        matches itself in another case, and its SYNONYMS.
      visit: 'first' keeps each subject's earliest scan, by acquisition date if all its scans have one and otherwise by
        the natural order of its sessions; 'all' keeps every scan.
      description: a pattern for the series of an ADNI download, such as 'MT1*N3m', or for the file names of a BIDS
        dataset or CAPS folder, such as '*acq-mprage*'; scans that do not match are excluded.
      label_column: the column of labels; '' means 'label' in a plain CSV, 'Group' in an ADNI collection, and elsewhere
        the first of `bids.LABELS` that has a value.

    Raises: InputError that lists every offending column, row, id or path; UsageError for an option that does not apply.
    """
    excluded: collections.Counter[str] = collections.Counter()
    source, kind, scans = _read(Path(table), description, label_column, excluded)
    scans, notes = _translate(scans, labels)
    found = collections.Counter(scan.label for scan in scans)
    scans = _choose_visits(_keep_labels(scans, labels, excluded), visit, excluded)
    problems = [f"{scan.path}: no such file" for scan in scans if not scan.path.is_file()]
    paths = collections.Counter(scan.path for scan in scans)
    problems += [f"{path}: listed for {n} scans" for path, n in paths.items() if n > 1]
    problems += _two_labels(scans) + _without_scans(labels, found, excluded)
    if problems:
        raise InputError(f"{source}: the scan table cannot be used:\n{listed(problems)}")
    synthetic = ((source if source.is_dir() else source.parent) / PHANTOM_MARK).exists()
    return Cohort(tuple(scans), labels, str(source), synthetic, dict(excluded), ", ".join([kind, *notes]))


def _read(path: Path, description: str, label_column: str, excluded: dict[str, int]) -> tuple[Path, str, list[Scan]]:
    """Returns the file or folder that was read, its kind in words, and its scans."""
    path = path.parent if path.name in bids.MARKS else path  # participants.tsv names its dataset
    layout = bids.layout_of(path) if path.is_dir() else None
    if layout:
        scans, column = bids.read_dataset(path, layout, description, label_column, excluded)
        return path, f"a {layout.name}, labels from {column}", scans
    table = _find_table(path)
    header, rows = read_rows(table)
    if adni.is_collection(header):
        scans = adni.read_collection(table, rows, description, label_column or "Group", excluded)
        return table, "an ADNI collection", scans
    if description:
        raise UsageError(f"cohort.description is for ADNI downloads and BIDS datasets; {table} is a plain CSV")
    return table, "a plain CSV", _read_plain(table, header, rows, label_column or "label")


def _find_table(path: Path) -> Path:
    if not path.is_dir():
        return path
    tables = sorted(table for table in path.glob("*.csv") if not table.name.startswith("."))
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables) or "none"
        other = f"nor is it a BIDS dataset ({bids.BIDS.subjects}) or a CAPS folder ({bids.CAPS.subjects})"
        raise InputError(f"{path}: the folder must have one .csv as its scan table; found: {found}; {other}")
    return tables[0]


def _read_plain(table: Path, header: list[str], rows: list[dict[str, str]], label_column: str) -> list[Scan]:
    required = tuple(label_column if name == "label" else name for name in REQUIRED)
    _check_header(table, header, required)
    other_columns = [name for name in header if name not in required + OPTIONAL]
    scans, problems = [], []
    for row in rows:
        problems += [f"line {row['#']}: {name} is empty" for name in required if not row[name]]
        acquired = None
        try:
            acquired = parse_date(row.get("acquired", ""))
        except ValueError:
            problems.append(f"line {row['#']}: acquired {row['acquired']!r} is neither yyyy-mm-dd nor m/d/yyyy")
        path = table.parent / Path(row["path"]).expanduser()
        details = {name: row.get(name, "") for name in ("age", "sex", "site")}
        others = tuple((name, row[name]) for name in other_columns)
        ids = row["subject"], row["session"], row[label_column]
        scans.append(Scan(*ids, path, acquired=acquired, others=others, **details))
    counts = collections.Counter((scan.subject, scan.session) for scan in scans)
    problems += [f"subject {who}, session {when} is listed {n} times" for (who, when), n in counts.items() if n > 1]
    if problems:
        raise InputError(f"{table}: the scan table cannot be used:\n{listed(problems)}")
    return scans


def _check_header(table: Path, header: list[str], required: tuple[str, ...]) -> None:
    problems = [f"missing column: {name}" for name in required if name not in header]
    problems += _misspelt(header, (*required, *OPTIONAL))
    problems += [f"repeated column: {name}" for name, n in collections.Counter(header).items() if n > 1]
    if problems:
        known = ",".join(required) + "[," + ",".join(OPTIONAL) + "] and any others"
        raise InputError(f"{table}: a scan table has the columns {known}:\n{listed(problems)}")


def _misspelt(header: list[str], known: tuple[str, ...]) -> list[str]:
    """Lists unknown columns that look like a missing known one; any other unknown column is allowed."""
    missing = [name for name in known if name not in header]
    nearest = {name: difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.8) for name in header}
    return [f"unknown column: {name}; did you mean {near[0]}?" for name, near in nearest.items() if near]


def _translate(scans: list[Scan], labels: tuple[str, str]) -> tuple[list[Scan], list[str]]:
    """Renames synonyms of the wanted labels that no scan has; returns the scans and a note for each renamed label."""
    found = {scan.label for scan in scans}
    renamed: dict[str, str] = {}
    for label in labels:
        if label in found:
            continue
        synonyms = (label.lower(), *SYNONYMS.get(label.lower(), ()))
        renamed |= {text: label for text in found - set(labels) if text.lower() in synonyms}
    notes = [f"{text} read as {label}" for text, label in sorted(renamed.items())]
    return [scan._replace(label=renamed.get(scan.label, scan.label)) for scan in scans], notes


def _keep_labels(scans: list[Scan], labels: tuple[str, str], excluded: dict[str, int]) -> list[Scan]:
    for scan in scans:
        if scan.label not in labels:
            excluded[f"label {scan.label}"] += 1
    return [scan for scan in scans if scan.label in labels]


def _choose_visits(scans: list[Scan], visit: str, excluded: dict[str, int]) -> list[Scan]:
    """Returns the scans by subject, in natural order, and by time: all of each subject's, or only the earliest."""
    groups = _by_subject(scans)
    ordered = [_in_time(groups[subject]) for subject in sorted(groups, key=natural_key)]
    if visit == "all":
        return [scan for group in ordered for scan in group]
    excluded["later visit of a subject"] += len(scans) - len(ordered)
    return [group[0] for group in ordered]


def _in_time(group: list[Scan]) -> list[Scan]:
    if all(scan.acquired for scan in group):
        return sorted(group, key=lambda scan: (scan.acquired, natural_key(scan.session)))
    return sorted(group, key=lambda scan: natural_key(scan.session))


def _by_subject(scans: Iterable[Scan]) -> dict[str, list[Scan]]:
    groups: dict[str, list[Scan]] = {}
    for scan in scans:
        groups.setdefault(scan.subject, []).append(scan)
    return groups


def _two_labels(scans: list[Scan]) -> list[str]:
    problems = []
    for subject, group in _by_subject(scans).items():
        labels = sorted({scan.label for scan in group})
        if len(labels) > 1:
            problems.append(f"subject {subject} has two labels: {', '.join(labels)}")
    return problems


def _without_scans(labels: tuple[str, str], found: collections.Counter[str], excluded: dict[str, int]) -> list[str]:
    """Lists the labels that no scan has, then the labels found and the exclusions, which may explain why."""
    problems = [f"no scan is labelled {label}" for label in labels if not found[label]]
    if problems:
        choices = ", ".join(f"{count} {label}" for label, count in sorted(found.items()) if count) or "none"
        problems.append(f"labels found, for --config.cohort.labels: {choices}")
        problems += [f"excluded: {count} ({reason})" for reason, count in excluded.items() if count]
    return problems
