"""From a scan table to a cohort: who is in, which of their scans, and every reason why the table cannot be used."""

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
PHANTOM_MARK = "severity.tsv"  # stands beside the table of a phantom cohort, and nowhere else
SYNONYMS = {"ad": ("dementia",), "cn": ("cu", "nc", "normal")}  # ADNIMERGE's; those of studies on ADNI


def load_cohort(
    table: str | Path,
    labels: tuple[str, str] = ("CN", "AD"),
    visit: str = "first",
    description: str = "",
    label_column: str = "",
) -> Cohort:
    """Reads a plain CSV, an ADNI collection CSV, a folder that holds one of them, a BIDS dataset or a CAPS folder.

    Args:
      table: the file or folder; paths in a plain CSV are relative to it.
      labels: (negative, positive); scans of other labels are left out and counted. A label that no scan has stands for
        itself in other letters, and for its SYNONYMS.
      visit: 'first' keeps each subject's earliest scan, by acquisition date where all its scans have one and else by
        the natural order of its sessions; 'all' keeps them all.
      description: the series of an ADNI download to keep, a name or a pattern such as 'MT1*N3m'; the names of scans of
        a BIDS dataset or CAPS folder, such as '*acq-mprage*'.
      label_column: where labels stand; '' is 'label' in a plain CSV, 'Group' in ADNI's, the first of `bids.LABELS`.

    Raises: InputError that lists every offending column, row, id or path.
    """
    excluded: collections.Counter[str] = collections.Counter()
    source, kind, scans = _read(Path(table), description, label_column, excluded)
    scans, notes = _translate(scans, labels)
    found = collections.Counter(scan.label for scan in scans)
    scans = _choose_visits(_keep_labels(scans, labels, excluded), visit, excluded)
    problems = [f"{scan.path}: no such file" for scan in scans if not scan.path.is_file()]
    paths = collections.Counter(scan.path for scan in scans)
    problems += [f"{path}: stands for {n} scans" for path, n in paths.items() if n > 1]
    problems += _two_labels(scans) + _without_scans(labels, found, excluded)
    if problems:
        raise InputError(f"{source}: the scan table cannot be used:\n{listed(problems)}")
    synthetic = ((source if source.is_dir() else source.parent) / PHANTOM_MARK).exists()
    return Cohort(tuple(scans), labels, str(source), synthetic, dict(excluded), ", ".join([kind, *notes]))


def _read(path: Path, description: str, label_column: str, excluded: dict[str, int]) -> tuple[Path, str, list[Scan]]:
    """The file or folder that was read, what it was taken for, and its scans."""
    path = path.parent if path.name in bids.MARKS else path
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
        raise InputError(f"{path}: a folder must hold one .csv to be a scan table; found: {found}; {other}")
    return tables[0]


def _read_plain(table: Path, header: list[str], rows: list[dict[str, str]], label_column: str) -> list[Scan]:
    required = tuple(label_column if name == "label" else name for name in REQUIRED)
    problems = [f"missing column: {name}" for name in required if name not in header]
    problems += _misspelt(header, (*required, *OPTIONAL))
    problems += [f"column stands twice: {name}" for name, n in collections.Counter(header).items() if n > 1]
    if problems:
        known = ",".join(required) + "[," + ",".join(OPTIONAL) + "] and any others"
        raise InputError(f"{table}: a scan table has the columns {known}:\n{listed(problems)}")
    scans = []
    for row in rows:
        problems += [f"line {row['#']}: {name} is empty" for name in required if not row[name]]
        details = {name: row.get(name, "") for name in ("age", "sex", "site")}
        others = tuple((name, row[name]) for name in header if name not in required + OPTIONAL)
        acquired = None
        try:
            acquired = parse_date(row.get("acquired", ""))
        except ValueError:
            problems.append(f"line {row['#']}: acquired {row['acquired']!r} is neither yyyy-mm-dd nor m/d/yyyy")
        path = table.parent / Path(row["path"]).expanduser()
        who = (row["subject"], row["session"], row[label_column])
        scans.append(Scan(*who, path, acquired=acquired, others=others, **details))
    ids = collections.Counter((scan.subject, scan.session) for scan in scans)
    problems += [f"subject {who}, session {when} stands {n} times" for (who, when), n in ids.items() if n > 1]
    if problems:
        raise InputError(f"{table}: the scan table cannot be used:\n{listed(problems)}")
    return scans


def _misspelt(header: list[str], known: tuple[str, ...]) -> list[str]:
    """Columns of other names are kept, but not one that is likely meant to be a known one which is not there."""
    absent = [name for name in known if name not in header]
    nearest = {name: difflib.get_close_matches(name.lower(), absent, n=1, cutoff=0.8) for name in header}
    return [f"unknown column: {name}; did you mean {near[0]}?" for name, near in nearest.items() if near]


def _translate(scans: list[Scan], labels: tuple[str, str]) -> tuple[list[Scan], list[str]]:
    """The scans by the wanted labels, and what was read as one of them."""
    there = {scan.label for scan in scans}
    meant = {label: (label.lower(), *SYNONYMS.get(label.lower(), ())) for label in labels if label not in there}
    wanted = {text: label for label, texts in meant.items() for text in there - {*labels} if text.lower() in texts}
    notes = [f"{text} read as {label}" for text, label in sorted(wanted.items())]
    return [scan._replace(label=wanted.get(scan.label, scan.label)) for scan in scans], notes


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


def _without_scans(labels: tuple[str, str], found: collections.Counter[str], excluded: dict[str, int]) -> list[str]:
    """What to say of labels that no scan has: those that there are, and where the others went."""
    problems = [f"no scan is labelled {label}" for label in labels if not found[label]]
    if problems:
        there = ", ".join(f"{count} {label}" for label, count in sorted(found.items()) if count) or "none"
        problems.append(f"labels that there are, for --config.cohort.labels: {there}")
        problems += [f"left out: {count} ({reason})" for reason, count in excluded.items() if count]
    return problems
