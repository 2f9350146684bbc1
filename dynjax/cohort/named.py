"""Lists the scans that a command names: files, folders of files, and the column of paths of a table without labels."""

import collections
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.rows import Row, read_rows
from dynjax.cohort.scan import MISSING, natural_key
from dynjax.errors import InputError, UsageError, listed
from dynjax.files import expanded

COLUMN = "path"
SUFFIXES = (".nii", ".nii.gz")
TABLES = (".csv", ".tsv")
OTHERS = re.compile(r"\.(mgz|mgh|(img|hdr)(\.gz)?|dcm|ima|nrrd|nhdr|mha|mhd|mnc)$", re.IGNORECASE)  # images as well


class NamedScans(NamedTuple):
    """Holds the paths of scans, each once, and `aside`, which says what images in folders are not among them, or ''."""

    paths: list[str]
    aside: str = ""


def named_scans(named: Sequence[str], table: str = "") -> NamedScans:
    """Returns the paths of scans: each file, the files in each folder, then those of the table.

    Args:
      named: files and folders. A folder stands for all .nii and .nii.gz files in it and below, in natural order; hidden
        ones are passed over, and links to folders are followed. A file need not exist.
      table: a CSV with the column `path`, relative to it; other columns are ignored.

    Raises: InputError for a folder or a table without scans, or that cannot be read, and for rows without a path;
    UsageError for a table among the files.
    """
    if tables := [each for each in named if each.lower().endswith(TABLES)]:
        raise UsageError(f"{tables[0]}: is a table, not a scan; give it as --table={tables[0]}")
    found = [_in_folder(Path(each)) if os.path.isdir(each) else NamedScans([each]) for each in named]
    paths = [path for each in found for path in each.paths]
    aside = [each.aside for each in found if each.aside]
    return NamedScans(list(dict.fromkeys([*paths, *(_in_table(expanded(table)) if table else [])])), "\n".join(aside))


def _in_folder(folder: Path) -> NamedScans:
    files = [os.path.join(where, name) for where, names in _walk(folder) for name in names if not name.startswith(".")]
    found = [path for path in files if path.lower().endswith(SUFFIXES)]
    kinds = collections.Counter(kind[0].lower() for path in files if (kind := OTHERS.search(path)))
    others = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    if not found:
        has = f"; it has {others}, which can be named one by one" if others else "; name the folder of the scans"
        raise InputError(f"{folder}: no {' or '.join(SUFFIXES)} file is in this folder{has}")
    aside = (
        f"{folder}: left aside {others}: a folder stands for its {' and '.join(SUFFIXES)} files; name others one by one"
    )
    return NamedScans(sorted(found, key=natural_key), aside if others else "")


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yields each folder that is not hidden, and the names of its files; then those to which links lead, each once.

    A link to a folder above is passed over.
    """
    seen: set[str] = set()
    above, tops = Path(os.path.realpath(folder)).parents, [str(folder)]
    for top in tops:  # grows by the links that are found
        if Path(os.path.realpath(top)) in above:
            continue
        for where, folders, files in os.walk(top, onerror=_refuse):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if (real := os.path.realpath(where)) in seen:
                folders.clear()
                continue
            seen.add(real)
            yield where, files
            tops += [path for name in folders if os.path.islink(path := os.path.join(where, name))]


def _refuse(error: OSError) -> None:
    advice = "give permission to read it"
    raise InputError(f"{os.fsdecode(error.filename)}: this folder cannot be read ({error.strerror}); {advice}")


def _in_table(table: Path) -> list[str]:
    header, rows = read_rows(table)
    if COLUMN not in header:
        found = ", ".join(header) or "none"
        raise InputError(f"{table}: has no column {COLUMN}, of the scans' files; its columns are {found}")
    if not rows:
        raise InputError(f"{table}: lists no scan; it needs a row for each, with its file in the column {COLUMN}")
    if problems := [f"line {row.line}: {fault}" for row in rows if (fault := _fault(row))]:
        raise InputError(f"{table}: {len(problems)} of {len(rows)} rows name no scan:\n{listed(problems)}")
    return [str(table.parent / os.path.expanduser(row.cells[COLUMN])) for row in rows]


def _fault(row: Row) -> str:
    missing = row.cells[COLUMN].lower() in MISSING
    return row.fault or (f"{COLUMN} is {row.cells[COLUMN] or 'empty'}" if missing else "")
