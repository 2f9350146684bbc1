"""An ADNI download: the collection's CSV beside its tree ADNI/<PTID>/<Description>/<date>/I<image id>/<file>."""

import collections
import fnmatch
import os
import re
from pathlib import Path

from dynjax.cohort.scan import Scan, parse_date
from dynjax.errors import InputError, listed

NEEDED = ("Image Data ID", "Subject", "Acq Date", "Description")
FIELDS = ("Image Data ID", "Subject", "Acq Date", "Age", "Sex", "#")  # what a Scan holds by itself
IMAGE = re.compile(r"\.(nii|nii\.gz|mgz|mgh|img)$", re.IGNORECASE)
ID_IN_FOLDER = re.compile(r"^I?(\d+)$")
ID_IN_NAME = re.compile(r"_I(\d+)\.[A-Za-z.]+$")


def is_collection(header: list[str]) -> bool:
    return "Image Data ID" in header


def read_collection(
    table: Path, rows: list[dict[str, str]], description: str, label_column: str, excluded: dict[str, int]
) -> list[Scan]:
    """The collection's scans, one a subject and date; session is the date of acquisition.

    Of several images of one date the lowest image id is kept, the others are counted in `excluded`, as are those whose
    description does not match and what is not MRI. A scan that is not in the tree gets the path where it should lie.
    """
    if rows and (lacking := [name for name in (*NEEDED, label_column) if name not in rows[0]]):
        raise InputError(f"{table}: an ADNI collection needs the columns:\n{listed(lacking)}")
    problems, found = [], []
    for row in rows:
        try:
            number = int(row["Image Data ID"].upper().removeprefix("I"))
            acquired = parse_date(row["Acq Date"])
            if acquired is None or not row["Subject"] or not row[label_column]:
                raise ValueError(f"Subject, {label_column} or Acq Date is empty")
            found.append((number, acquired, row))
        except ValueError as error:
            problems.append(f"line {row['#']}: {error}")
    twice = [number for number, n in collections.Counter(number for number, _, _ in found).items() if n > 1]
    problems += [f"image {number} stands more than once" for number in twice]
    if problems:
        raise InputError(f"{table}: the collection cannot be used:\n{listed(problems)}")
    files = _image_files(table.parent / "ADNI")
    scans: dict[tuple, Scan] = {}
    for number, acquired, row in sorted(found, key=lambda item: item[0]):
        reason = _reason_to_leave_out(row, description)
        day = acquired.date().isoformat()
        if reason is None and (row["Subject"], day) in scans:
            reason = "another image of the same subject and date, with a higher image id"
        if reason:
            excluded[reason] += 1
            continue
        path = files.get(number, table.parent / "ADNI" / row["Subject"] / "..." / f"I{number}")
        scans[row["Subject"], day] = Scan(
            row["Subject"],
            day,
            row[label_column],
            path,
            age=row.get("Age", ""),
            sex=row.get("Sex", ""),
            site=row["Subject"].split("_S_")[0],
            acquired=acquired,
            others=tuple((name, text) for name, text in row.items() if name not in (*FIELDS, label_column)),
        )
    return list(scans.values())


def _reason_to_leave_out(row: dict[str, str], description: str) -> str | None:
    if row.get("Modality", "MRI").upper() not in ("MRI", "MR", ""):
        return f"modality {row['Modality']}"
    if description and not fnmatch.fnmatchcase(row["Description"].lower(), description.lower()):
        return "description other than cohort.description"
    return None


def _image_files(tree: Path) -> dict[int, Path]:
    """Image id -> file, by the name of its folder (with or without the leading I) or of the file itself."""
    if not tree.is_dir():
        raise InputError(f"{tree}: no such folder; an ADNI collection's CSV lies beside its ADNI folder")
    files: dict[int, list[Path]] = {}
    for folder, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            match = ID_IN_NAME.search(name) or ID_IN_FOLDER.search(os.path.basename(folder))
            if match and IMAGE.search(name) and not name.startswith("."):
                files.setdefault(int(match[1]), []).append(Path(folder, name))
    double = [f"I{number}: {', '.join(map(str, paths))}" for number, paths in files.items() if len(paths) > 1]
    if double:
        raise InputError(f"{tree}: more than one file for an image:\n{listed(double)}")
    return {number: paths[0] for number, paths in files.items()}
