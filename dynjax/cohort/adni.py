"""Reads an ADNI download: a CSV beside the tree ADNI/<PTID>/<Description>/<date>/I<image id>/<file>."""

import collections
import datetime
import fnmatch
import os
import re
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.scan import Scan, parse_date
from dynjax.errors import InputError, listed

NEEDED = ("Image Data ID", "Subject", "Acq Date", "Description")
FIELDS = ("Image Data ID", "Subject", "Acq Date", "Age", "Sex", "#")  # not repeated in Scan.others; '#' is the line
IMAGE = re.compile(r"\.(nii|nii\.gz|mgz|mgh|img)$", re.IGNORECASE)
ID_IN_FOLDER = re.compile(r"^I?(\d+)$")
ID_IN_NAME = re.compile(r"_I(\d+)\.[A-Za-z.]+$")


class _Image(NamedTuple):
    """A row of the collection. number: its image id. row: its cells by column."""

    number: int
    acquired: datetime.datetime
    row: dict[str, str]


def is_collection(header: list[str]) -> bool:
    """Tells whether a CSV with this header is an ADNI collection."""
    return "Image Data ID" in header


def read_collection(
    table: Path, rows: list[dict[str, str]], description: str, label_column: str, excluded: dict[str, int]
) -> list[Scan]:
    """Returns the collection's scans, one for each subject and acquisition date; the session is that date.

    If several images share subject and date, the one with the lowest image id is used. The others are counted in
    `excluded`, and so are images with another description and images that are not MRI. A scan without a file in the
    tree gets the path where the file should be.

    Args:
      rows: the cells of `table` by column, as `read_rows` returns them.
      description: a pattern for the Description column, in any case; '' matches all.
      excluded: counts the excluded images by reason.

    Raises: InputError that lists every missing column, unusable row and repeated image id.
    """
    images = _parse_rows(table, rows, label_column)
    files = _image_files(table.parent / "ADNI")
    scans: dict[tuple[str, str], Scan] = {}
    for image in sorted(images, key=lambda image: image.number):
        reason = _reason_to_exclude(image.row, description)
        key = image.row["Subject"], image.acquired.date().isoformat()
        if reason is None and key in scans:
            reason = "another image of the same subject and date, with a higher image id"
        if reason:
            excluded[reason] += 1
            continue
        expected = table.parent / "ADNI" / image.row["Subject"] / "..." / f"I{image.number}"
        scans[key] = _scan(image, files.get(image.number, expected), label_column)
    return list(scans.values())


def _parse_rows(table: Path, rows: list[dict[str, str]], label_column: str) -> list[_Image]:
    _check_columns(table, rows, label_column)
    images, problems = [], []
    for row in rows:
        try:
            images.append(_parse_row(row, label_column))
        except ValueError as error:
            problems.append(f"line {row['#']}: {error}")
    counts = collections.Counter(image.number for image in images)
    problems += [f"image {number} is listed more than once" for number, count in counts.items() if count > 1]
    if problems:
        raise InputError(f"{table}: the collection cannot be used:\n{listed(problems)}")
    return images


def _check_columns(table: Path, rows: list[dict[str, str]], label_column: str) -> None:
    if not rows:
        return
    missing = [name for name in (*NEEDED, label_column) if name not in rows[0]]
    if missing:
        raise InputError(f"{table}: an ADNI collection needs the columns:\n{listed(missing)}")


def _parse_row(row: dict[str, str], label_column: str) -> _Image:
    number = int(row["Image Data ID"].upper().removeprefix("I"))
    acquired = parse_date(row["Acq Date"])
    if acquired is None or not row["Subject"] or not row[label_column]:
        raise ValueError(f"Subject, {label_column} or Acq Date is empty")
    return _Image(number, acquired, row)


def _scan(image: _Image, path: Path, label_column: str) -> Scan:
    row = image.row
    return Scan(
        row["Subject"],
        image.acquired.date().isoformat(),
        row[label_column],
        path,
        age=row.get("Age", ""),
        sex=row.get("Sex", ""),
        site=row["Subject"].split("_S_")[0],  # PTIDs are <site>_S_<roster id>
        acquired=image.acquired,
        others=tuple((name, text) for name, text in row.items() if name not in (*FIELDS, label_column)),
    )


def _reason_to_exclude(row: dict[str, str], description: str) -> str | None:
    if row.get("Modality", "MRI").upper() not in ("MRI", "MR", ""):
        return f"modality {row['Modality']}"
    if description and not fnmatch.fnmatchcase(row["Description"].lower(), description.lower()):
        return "description other than cohort.description"
    return None


def _image_files(tree: Path) -> dict[int, Path]:
    """Maps image ids to files, by the file's name or its folder's, which may lack the leading I."""
    if not tree.is_dir():
        raise InputError(f"{tree}: no such folder; put the collection's CSV beside its ADNI folder")
    files: dict[int, list[Path]] = {}
    for folder, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            match = ID_IN_NAME.search(name) or ID_IN_FOLDER.search(os.path.basename(folder))
            if match and IMAGE.search(name) and not name.startswith("."):
                files.setdefault(int(match[1]), []).append(Path(folder, name))
    repeated = [f"I{number}: {', '.join(map(str, paths))}" for number, paths in files.items() if len(paths) > 1]
    if repeated:
        raise InputError(f"{tree}: more than one file for an image:\n{listed(repeated)}")
    return {number: paths[0] for number, paths in files.items()}
