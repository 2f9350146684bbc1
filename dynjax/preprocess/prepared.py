"""Writes the files of a prepared scan: volume, picture and last a record, by which they are checked later."""

import collections
import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel

from dynjax.cohort.scan import Scan
from dynjax.errors import InputError, listed
from dynjax.files import atomic_path, sha256_of, write_text
from dynjax.preprocess.picture import draw, write_picture
from dynjax.preprocess.steps import RECIPE, Prepared, prepare_volume
from dynjax.volumes.digests import content_digest
from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.grid import Grid
from dynjax.volumes.inspection import inspect_scan
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.reading import Reading
from dynjax.volumes.template import NAME

ENDING = "_T1w"  # of the name of every prepared scan, as BIDS calls it
MNI = 4  # NIfTI's code of MNI space
FIRST = {"volume_recipe": 1}  # what the records of before do not say
# Kinds of finding that a preparation does not mend: a mirrored head is still mirrored once it is registered.
DOUBTS = ("orientation", "qform", "sform and qform", "trailing bytes", "NaN outside")


class PreparedScan(NamedTuple):
    """A prepared scan: the content of its .json, its file names, and whether this call made the files."""

    about: dict[str, Any]
    volume: str
    picture: str
    new: bool


def file_names(scans: Sequence[Scan]) -> list[str]:
    """Returns <subject>_<session>_T1w for each scan, with - for characters that do not suit file names.

    Raises: InputError if two names are equal in any case of letters.
    """
    names = [_suited(f"{scan.subject}_{scan.session}{ENDING}") for scan in scans]
    shared = _shared(names)
    if problems := [f"{scan.subject}, {scan.session}" for scan, name in zip(scans, names) if name in shared]:
        raise InputError(f"these subjects and sessions would share a file name; rename them:\n{listed(problems)}")
    return names


def names_of_files(paths: Sequence[Path]) -> list[str]:
    """Returns <name>_T1w for each file, after its own name; where several have one name, their folders' come first.

    Raises: InputError if two names are equal all the same, in any case of letters.
    """
    names = [_named_after(path) for path in paths]
    shared = _shared(names)
    longer = [_suited(f"{path.absolute().parent.name}_{name}") for path, name in zip(paths, names)]
    names = [long if name in shared else name for name, long in zip(names, longer)]
    shared = _shared(names)
    if problems := [str(path) for path, name in zip(paths, names) if name in shared]:
        raise InputError(f"these scans would share a file name; prepare them into several folders:\n{listed(problems)}")
    return names


def _named_after(path: Path) -> str:
    stem = re.sub(r"\.(nii|img|hdr|mgh|mgz)(\.gz)?$", "", path.name, flags=re.IGNORECASE)
    return _suited(stem.removesuffix(ENDING) + ENDING)


def _suited(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)


def _shared(names: Sequence[str]) -> set[str]:
    """Returns the names of which another is the same in some case of letters."""
    counts = collections.Counter(name.lower() for name in names)
    return {name for name in names if counts[name.lower()] > 1}


def prepare_scan(scan: Scan, name: str, folder: Path, reading: Reading) -> PreparedScan:
    """Prepares a scan unless `folder` has it, made from the same content in the same way. Raises: InputError."""
    grid, nan, recipe = reading
    files = {"volume": f"{name}.nii.gz", "picture": f"qc/{name}.png"}
    made_of = {"recipe": RECIPE, "template": NAME, "grid": list(grid.shape), "spacing": grid.spacing, "nan": nan}
    made_of["volume_recipe"] = recipe
    made_of["sha256"] = content_digest(scan.path)
    about = _read(folder / f"{name}.json")
    if _holds(folder, about, made_of, files):
        about.setdefault("warnings", _doubts(scan.path, reading))  # which the records of before do not have
        return PreparedScan(about, **files, new=False)
    try:
        prepared = prepare_volume(load_volume(scan.path, *reading.native), reading)
    except RefusedVolume as refused:
        raise refused.error(scan.path) from None
    _write(folder, **files, prepared=prepared, grid=grid)
    result = {"affine": prepared.matrix.tolist(), "similarity": prepared.similarity}
    digests = {file: sha256_of(folder / file) for file in files.values()}
    about = {"source": str(scan.path), "made_of": made_of, **result, "files": digests}
    about["warnings"] = _doubts(scan.path, reading)
    write_text(folder / f"{name}.json", json.dumps(about, indent=2) + "\n")
    return PreparedScan(about, **files, new=True)


def _doubts(path: Path, reading: Reading) -> list[str]:
    return [finding.detail for finding in inspect_scan(path, *reading).findings if finding.kind in DOUBTS]


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _holds(folder: Path, about: dict[str, Any], made_of: dict[str, Any], files: dict[str, str]) -> bool:
    """Tells whether the record is of `made_of` and `files`, and its digests match the files."""
    if FIRST | about.get("made_of", {}) != made_of or set(about.get("files", ())) != set(files.values()):
        return False
    try:
        return all(sha256_of(folder / file) == digest for file, digest in about["files"].items())
    except OSError:
        return False


def _write(folder: Path, volume: str, picture: str, prepared: Prepared, grid: Grid) -> None:
    image = nibabel.Nifti1Image(prepared.volume, grid.affine)
    image.set_sform(grid.affine, MNI)
    image.set_qform(grid.affine, MNI)
    image.header.set_xyzt_units("mm")
    with atomic_path(folder / volume) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), 6, mtime=0))  # no time: reproducible bytes
    with atomic_path(folder / picture) as temporary:
        write_picture(draw(prepared), temporary)
