"""Reads an ADNI download: a CSV beside the tree ADNI/<PTID>/<Description>/<date>/I<image id>/<file>."""

import collections
import datetime
import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dynjax.cohort.listing import Fault, Ids, Listing, bad_row, empty_listing, place_of
from dynjax.cohort.rows import Row
from dynjax.cohort.scan import RefusedRow, Scan, is_date, parse_date
from dynjax.cohort.series import NO_ANATOMY, OTHER_CONTRAST, SHOWN, Choices
from dynjax.errors import InputError, listed
from dynjax.volumes.finding import Finding

# The columns of a collection, and what the IDA's searches and its tables since October 2024 call them, in lower case.
COLUMNS = {
    "Image Data ID": ("image_id", "image id", "image_data_id"),
    "Subject": ("subject_id", "subject id"),
    "Acq Date": ("image_date", "study date", "study_date", "acq_date"),
    "Description": ("image_description",),
    "Group": ("research_group", "research group"),
    "Age": ("subject_age",),
    "Sex": ("subject_sex",),
    "Visit": ("image_visit",),
    "Modality": ("image_modality",),
}
KIND, HIGHER_ID = "an ADNI collection", "another image of the same subject and date, with a higher image id"
NEEDED = ("Image Data ID", "Subject", "Acq Date", "Description")
FIELDS = ("Image Data ID", "Subject", "Acq Date", "Age", "Sex")  # not repeated in Scan.others
IMAGE = re.compile(r"\.(nii|mgz|mgh|img|img\.gz|nii\.gz)$", re.IGNORECASE)
DICOM = re.compile(r"\.(dcm|ima)$", re.IGNORECASE)
ID_IN_FOLDER = re.compile(r"^I?(\d{1,18})$")
ID_IN_NAME = re.compile(r"(?:_|^)I(\d{1,18})\.[A-Za-z.]+$")


class _Image(NamedTuple):
    """A row of the collection. number: its image id, None if it cannot be read. problems: what is wrong with it."""

    row: Row
    number: int | None
    acquired: datetime.datetime | None
    problems: list[str]


class _Tree(NamedTuple):
    """The files of a download: `images` by image id, and the ids that have DICOM files.

    unreadable: the folders that cannot be read, with the reason.
    """

    root: Path
    images: dict[int, Path]
    dicom: set[int]
    unreadable: dict[Path, str]


def is_collection(header: list[str]) -> bool:
    """Tells whether a CSV with this header is an ADNI collection: it names images, and no paths."""
    names = _canonical(header).values()
    return "Image Data ID" in header or ({"Image Data ID", "Subject"} <= set(names) and "path" not in header)


def read_collection(table: Path, header: list[str], rows: list[Row], description: str, label_column: str) -> Listing:
    """Returns the collection's scans, one for each subject and acquisition date; the session is that date.

    If several images share subject and date, the one with the lowest image id is used, of those that are T1-weighted.
    The others are counted as excluded, and so are images that are not MRI, images with another description and, without
    one, localizers and the like. An image without a file in the tree has a fault.

    Args:
      rows: the rows of `table`, as `read_rows` returns them.
      description: a pattern for the Description column, in any case; '' matches all.

    Raises: InputError that lists every missing column, repeated image id and image with several files.
    """
    names = _canonical(header)
    label = names.get(label_column, label_column)
    missing = [name for name in (*NEEDED, label) if name not in names.values()]
    if missing:
        raise InputError(f"{table}: an ADNI collection needs the columns:\n{listed(missing)}")
    spelling = {canonical: own for own, canonical in names.items()}
    images = [_parse_row(row._replace(cells=_renamed(row, names)), label, spelling) for row in rows]
    _check_numbers(table, images)
    tree, listing, choices = _read_tree(table.parent / "ADNI"), empty_listing(KIND), Choices("{} dates have")
    for best, *others in _by_date(images, description, listing.excluded):
        if others:
            listing.excluded[HIGHER_ID] += len(others)
            choices.add(*_described([image.row.cells["Description"] for image in (best, *others)]))
        _add(best, table, tree, label, listing)
    listing.notes.extend(choices.notes())
    return listing


def note_descriptions(scans: list[Scan]) -> list[str]:
    """Notes the descriptions of the scans, if they have several."""
    counts = collections.Counter(scan.column("Description") for scan in scans)
    found = ", ".join(f"{count} {description!r}" for description, count in counts.most_common(SHOWN))
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    advice = "--config.cohort.description chooses"
    return [f"{len(counts)} descriptions are used: {found}{more}; {advice}"] if len(counts) > 1 else []


def _canonical(header: list[str]) -> dict[str, str]:
    """Returns the name in COLUMNS, or the column's own, by the name of the column."""
    by_lower = {name.lower(): name for name in reversed(header)}
    names = {name: name for name in header}
    for canonical, others in COLUMNS.items():
        own = next((by_lower[text] for text in (canonical.lower(), *others) if text in by_lower), None)
        if own and canonical not in header:
            names[own] = canonical
    return names


def _renamed(row: Row, names: dict[str, str]) -> dict[str, str]:
    return {names[name]: text for name, text in row.cells.items()}


def _parse_row(row: Row, label: str, spelling: dict[str, str]) -> _Image:
    """Reads the id and the date of a row; `spelling` has the table's own names of columns, for messages."""
    problems = [f"{spelling[name]} is empty" for name in ("Subject", label, "Acq Date") if not row.cells[name]]
    digits, date = row.cells["Image Data ID"].upper().removeprefix("I"), row.cells["Acq Date"]
    number = int(digits) if re.fullmatch(r"[0-9]{1,18}", digits) else None
    if number is None:
        problems.append(f"{spelling['Image Data ID']} {row.cells['Image Data ID']!r} is no number of an image")
    acquired = parse_date(date) if is_date(date) else None
    if acquired is None and date:
        problems.append(f"{spelling['Acq Date']} {date!r} is neither m/d/yyyy nor yyyy-mm-dd")
    return _Image(row, number, acquired, [row.fault] if row.fault else problems)


def _check_numbers(table: Path, images: list[_Image]) -> None:
    counts = collections.Counter(image.number for image in images if image.number is not None)
    problems = [f"image {number} is listed more than once" for number, count in counts.items() if count > 1]
    if problems:
        raise InputError(f"{table}: the collection cannot be used:\n{listed(problems)}")


def _by_date(images: list[_Image], description: str, excluded: collections.Counter[str]) -> Iterator[list[_Image]]:
    """Yields the images of each subject and date, the one to use first; counts those that are not asked for."""
    groups = collections.defaultdict(list)
    for image in images:
        reason = _reason_to_exclude(image.row.cells, description)
        if reason:
            excluded[reason] += 1
        else:
            groups[_ids(image)].append(image)
    for group in groups.values():
        yield sorted(group, key=_preference)


def _preference(image: _Image) -> tuple[bool, int]:
    return bool(OTHER_CONTRAST.search(image.row.cells["Description"])), image.number or 0


def _ids(image: _Image) -> Ids:
    subject = image.row.cells["Subject"] or place_of(image.row)
    if image.acquired is None or image.number is None:
        return subject, place_of(image.row)
    return subject, image.acquired.date().isoformat()


def _reason_to_exclude(cells: dict[str, str], description: str) -> str | None:
    modality, own = cells.get("Modality", "MRI"), cells["Description"]
    if modality.upper() not in ("MRI", "MR", ""):
        return f"modality {modality}"
    if description:
        matches = fnmatch.fnmatchcase(own.lower(), description.lower())
        return None if matches else "description other than cohort.description"
    return f"no anatomical scan ({own})" if NO_ANATOMY.search(own) else None


def _described(descriptions: list[str]) -> tuple[str, str]:
    """Describes a choice among images of one date: what there was, and which of them is used."""
    different = list(dict.fromkeys(descriptions))
    what = " and ".join(map(repr, different)) if len(different) > 1 else f"several {different[0]!r}"
    return what, f"the lowest image id of {descriptions[0]!r}"


def _add(image: _Image, table: Path, tree: _Tree, label: str, listing: Listing) -> None:
    cells, (subject, session) = image.row.cells, _ids(image)
    if not cells[label] or image.row.fault:  # whether it would belong to the cohort cannot be known
        listing.refused.append(RefusedRow(subject, session, *bad_row(table, image.row, image.problems)))
        return
    path = tree.images.get(image.number) if image.number is not None else None
    if image.problems:
        listing.faults[subject, session] = bad_row(table, image.row, image.problems)
    elif path is None:
        path = table.parent / "ADNI" / subject / "..." / f"I{image.number}"
        listing.faults[subject, session] = Fault(str(path), _why_missing(image, tree))
    others = tuple((name, text) for name, text in cells.items() if name not in (*FIELDS, label))
    site = subject.split("_S_")[0]  # PTIDs are <site>_S_<roster id>
    about = (cells.get("Age", ""), cells.get("Sex", ""), site, image.acquired)
    listing.scans.append(Scan(subject, session, cells[label], path or table.parent, *about, others))


def _why_missing(image: _Image, tree: _Tree) -> Finding:
    for folder, reason in tree.unreadable.items():
        if folder == tree.root or image.row.cells["Subject"] in folder.parts:
            return Finding("unreadable", f"no such file, but the folder {folder} cannot be read ({reason})")
    if image.number in tree.dicom:
        return Finding("DICOM", "no such file: there are only DICOM files of it")
    return Finding("not downloaded", "no such file in the download")


def _read_tree(root: Path) -> _Tree:
    """Finds files by image id, in their name or their folder's, which may lack the leading I."""
    if not os.path.isdir(root):
        raise InputError(f"{root}: no such folder; put the collection's CSV beside its ADNI folder")
    files: dict[int, list[Path]] = {}
    tree = _Tree(root, {}, set(), {})
    for folder, folders, names in os.walk(root, onerror=lambda error: _keep(error, tree)):
        folders.sort()
        for name in sorted(names):
            match = ID_IN_NAME.search(name) or ID_IN_FOLDER.search(os.path.basename(folder))
            if match and IMAGE.search(name) and not name.startswith("."):
                files.setdefault(int(match[1]), []).append(Path(folder, name))
            elif match and DICOM.search(name):
                tree.dicom.add(int(match[1]))
    repeated = [f"I{number}: {', '.join(map(str, paths))}" for number, paths in files.items() if len(paths) > 1]
    if repeated:
        raise InputError(f"{root}: more than one file for an image:\n{listed(repeated)}")
    tree.images.update({number: paths[0] for number, paths in files.items()})
    return tree


def _keep(error: OSError, tree: _Tree) -> None:
    tree.unreadable[Path(error.filename)] = error.strerror or str(error)
