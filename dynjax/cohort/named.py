"""Lists the scans that a command names: files, folders of files, and the column of paths of a table without labels."""

import os
from collections.abc import Sequence
from pathlib import Path

from dynjax.cohort.rows import Row, read_rows
from dynjax.cohort.scan import MISSING, natural_key
from dynjax.errors import InputError, listed
from dynjax.files import expanded

COLUMN = "path"
SUFFIXES = (".nii", ".nii.gz")


def named_scans(named: Sequence[str], table: str = "") -> list[str]:
    """Returns the paths of scans: each file, the files in each folder, then those of the table, each path once.

    Args:
      named: files and folders. A folder stands for all .nii and .nii.gz files in it and below, in natural order; hidden
        ones are passed over. A file need not exist.
      table: a CSV with the column `path`, relative to it; other columns are ignored.

    Raises: InputError for a folder or a table without scans, or that cannot be read, and for rows without a path.
    """
    paths = [path for each in named for path in (_in_folder(Path(each)) if os.path.isdir(each) else [each])]
    return list(dict.fromkeys([*paths, *(_in_table(expanded(table)) if table else [])]))


def _in_folder(folder: Path) -> list[str]:
    found = []
    for where, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        scans = [name for name in files if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
        found += [os.path.join(where, name) for name in scans]
    if not found:
        raise InputError(f"{folder}: no {' or '.join(SUFFIXES)} file is in this folder; name the folder of the scans")
    return sorted(found, key=natural_key)


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
