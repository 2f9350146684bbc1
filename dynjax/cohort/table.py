"""From a scan table to a cohort: who is in, which of their scans, and every reason why the table cannot be used."""

import collections
import csv
import difflib
from collections.abc import Iterable
from pathlib import Path

from dynjax.cohort import adni
from dynjax.cohort.scan import Cohort, Scan, natural_key, parse_date
from dynjax.errors import InputError, UsageError, listed

REQUIRED = ("subject", "session", "label", "path")
OPTIONAL = ("age", "sex", "site", "acquired")
VISITS = ("first", "all")
PHANTOM_MARK = "severity.tsv"  # stands beside the table of a phantom cohort, and nowhere else


def load_cohort(
    table: str | Path, labels: tuple[str, str] = ("CN", "AD"), visit: str = "first", description: str = ""
) -> Cohort:
    """Reads a plain CSV, an ADNI collection CSV, or a folder that holds one of them.

    Args:
      table: the file or folder; paths in a plain CSV are relative to it.
      labels: (negative, positive); scans of other labels are left out and counted.
      visit: 'first' keeps each subject's earliest scan, by acquisition date where all its scans have one and else by
        the natural order of its sessions; 'all' keeps them all.
      description: for an ADNI download, the series to keep, a name or a pattern such as 'MT1*N3m'.

    Raises: InputError that lists every offending column, row, id or path.
    """
    table = _find_table(Path(table))
    header, rows = _read_csv(table)
    excluded: dict[str, int] = collections.Counter()
    if adni.is_collection(header):
        scans = adni.read_collection(table, rows, description, excluded)
    elif description:
        raise UsageError(f"cohort.description chooses among the series of an ADNI download; {table} is a plain CSV")
    else:
        scans = _read_plain(table, header, rows)
    scans = _choose_visits(_keep_labels(scans, labels, excluded), visit, excluded)
    problems = [f"{scan.path}: no such file" for scan in scans if not scan.path.is_file()]
    paths = collections.Counter(scan.path for scan in scans)
    problems += [f"{path}: stands for {n} scans" for path, n in paths.items() if n > 1]
    problems += _two_labels(scans) + [f"no scan is labelled {label}" for label in labels if not _any(scans, label)]
    if problems:
        raise InputError(f"{table}: the scan table cannot be used:\n{listed(problems)}")
    synthetic = (table.parent / PHANTOM_MARK).exists()
    return Cohort(tuple(scans), labels, str(table), synthetic, dict(excluded))


def _find_table(path: Path) -> Path:
    if not path.is_dir():
        return path
    tables = sorted(table for table in path.glob("*.csv") if not table.name.startswith("."))
    if len(tables) != 1:
        found = ", ".join(table.name for table in tables) or "none"
        raise InputError(f"{path}: a folder must hold one .csv to be a scan table; found: {found}")
    return tables[0]


def _read_csv(table: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The header, and the rows by column, each with its line number under '#'."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except OSError as error:
        raise InputError(f"{table}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not a CSV file in UTF-8 ({error})") from None
    ragged = [f"line {number}: {len(row)} cells, the header has {len(header)}" for number, row in lines]
    ragged = [problem for problem, (_, row) in zip(ragged, lines) if len(row) != len(header)]
    if ragged:
        raise InputError(f"{table}: the scan table cannot be used:\n{listed(ragged)}")
    return header, [dict(zip(header, map(str.strip, row))) | {"#": str(number)} for number, row in lines]


def _read_plain(table: Path, header: list[str], rows: list[dict[str, str]]) -> list[Scan]:
    problems = [f"missing column: {name}" for name in REQUIRED if name not in header]
    problems += _misspelt(header)
    problems += [f"column stands twice: {name}" for name, n in collections.Counter(header).items() if n > 1]
    if problems:
        known = ",".join(REQUIRED) + "[," + ",".join(OPTIONAL) + "] and any others"
        raise InputError(f"{table}: a scan table has the columns {known}:\n{listed(problems)}")
    scans = []
    for row in rows:
        problems += [f"line {row['#']}: {name} is empty" for name in REQUIRED if not row[name]]
        details = {name: row.get(name, "") for name in ("age", "sex", "site")}
        others = tuple((name, row[name]) for name in header if name not in REQUIRED + OPTIONAL)
        acquired = None
        try:
            acquired = parse_date(row.get("acquired", ""))
        except ValueError:
            problems.append(f"line {row['#']}: acquired {row['acquired']!r} is neither yyyy-mm-dd nor m/d/yyyy")
        path = table.parent / Path(row["path"]).expanduser()
        who = (row["subject"], row["session"], row["label"])
        scans.append(Scan(*who, path, acquired=acquired, others=others, **details))
    ids = collections.Counter((scan.subject, scan.session) for scan in scans)
    problems += [f"subject {who}, session {when} stands {n} times" for (who, when), n in ids.items() if n > 1]
    if problems:
        raise InputError(f"{table}: the scan table cannot be used:\n{listed(problems)}")
    return scans


def _misspelt(header: list[str]) -> list[str]:
    """Columns of other names are kept, but not one that is likely meant to be a known one which is not there."""
    absent = [name for name in REQUIRED + OPTIONAL if name not in header]
    nearest = {name: difflib.get_close_matches(name.lower(), absent, n=1, cutoff=0.8) for name in header}
    return [f"unknown column: {name}; did you mean {near[0]}?" for name, near in nearest.items() if near]


def _keep_labels(scans: list[Scan], labels: tuple[str, str], excluded: dict[str, int]) -> list[Scan]:
    for scan in scans:
        if scan.label not in labels:
            excluded[f"label {scan.label}"] += 1
    return [scan for scan in scans if scan.label in labels]


def _choose_visits(scans: list[Scan], visit: str, excluded: dict[str, int]) -> list[Scan]:
    """Subject by subject, each one's scans from the earliest on: all of them or the first."""
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
    labels = {subject: sorted({scan.label for scan in group}) for subject, group in _by_subject(scans).items()}
    return [
        f"subject {subject} has two labels: {', '.join(found)}" for subject, found in labels.items() if len(found) > 1
    ]


def _any(scans: list[Scan], label: str) -> bool:
    return any(scan.label == label for scan in scans)
