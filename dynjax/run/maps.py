"""Writes a scan's map as files that viewers, scripts and people read, and finds one that is there already."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.processing import resample_from_to
from nibabel.spatialimages import SpatialImage

from dynjax.errors import InputError
from dynjax.files import atomic_path, write_text
from dynjax.report.map_picture import draw_map
from dynjax.report.viewer import make_viewer
from dynjax.run.explaining import Chosen, Explanation, volume_of
from dynjax.volumes.grid import Grid
from dynjax.volumes.map_files import write_map, write_map_in_scan
from dynjax.volumes.reading import Reading

MAP, IN_SCAN, PICTURE, VIEWER = "attribution.nii.gz", "attribution_in_scan.nii.gz", "attribution.png", "viewer.html"
SIDECAR = "attribution.json"  # written last
SEEN = "network.npz"  # what each network made of the scan, by which networks are compared


def write_scan(
    folder: Path, scan: Chosen, found: Explanation, reading: Reading, sentence: str, title: str, mark: str, unit: str
) -> None:
    """Writes the files of one scan's map: on the grid, in the scan's own space, as a picture and as a page.

    Args: sentence, what such a map may claim; title, of the picture, without the subject; mark, '' or a warning;
    unit, of the map.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SIDECAR).unlink(missing_ok=True)
    data, affine = found.volume
    write_map(folder / MAP, found.values, affine)
    in_scan = write_map_in_scan(folder / IN_SCAN, found.values, scan.path, reading)
    with atomic_path(folder / SEEN) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, *[each.astype(np.float32) for each in found.seen])
    with atomic_path(folder / PICTURE) as temporary:
        temporary.write_bytes(draw_map(data, found.values, affine, title, [sentence], mark, unit))
    name = " ".join(filter(None, (scan.subject, scan.session))) or scan.path.name
    write_text(folder / VIEWER, make_viewer(data, found.values, affine, f"{name}: {title}", [sentence], mark, unit))
    about = found.about | {"sum_in_scan": in_scan, "claim": sentence, "unit": unit, "synthetic": bool(mark)}
    write_text(folder / SIDECAR, json.dumps(about, indent=2, allow_nan=False) + "\n")


def read_scan(folder: Path, scan: Chosen, identity: dict[str, Any]) -> Explanation | None:
    """Returns what `write_scan` left of the same map; None if there is none, or it is another or damaged."""
    try:
        about = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        is_whole = all((folder / name).exists() for name in (IN_SCAN, PICTURE, VIEWER))
        if not is_whole or {key: about.get(key) for key in identity} != identity:
            return None
        values = np.asarray(_load(folder / MAP).dataobj, np.float64)
        with np.load(folder / SEEN, allow_pickle=False) as arrays:
            seen = [arrays[name] for name in arrays.files]
    except (OSError, ValueError, TypeError, EOFError, ImageFileError):
        return None
    return Explanation(values, volume_of(scan), about, seen)


def read_atlas(path: Path, names: Path | None, grid: Grid) -> tuple[np.ndarray, dict[int, str]]:
    """Reads an atlas of numbered regions onto the grid: int [X, Y, Z], and the name of each number that is there.

    Args: names, a TSV with the columns index and name, as BIDS has them; None names each region by its number.
    Raises: InputError for a file that is no atlas, or does not overlap the grid.
    """
    try:
        atlas = _load(path)
        values = np.asarray(atlas.dataobj)
    except (OSError, ImageFileError, ValueError, EOFError) as error:
        raise InputError(f"{path}: no atlas can be read there ({error}); --atlas is a NIfTI file of numbers") from None
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3 or not np.isfinite(values).all() or (values != np.rint(values)).any() or values.min() < 0:
        raise InputError(f"{path}: is no atlas of one 3D volume of whole numbers, 0 where there is no region")
    image = nibabel.Nifti1Image(values.astype(np.float32), atlas.affine)
    resampled = resample_from_to(image, (grid.shape, grid.affine), order=0)
    placed = np.rint(np.asarray(resampled.dataobj)).astype(np.int64)
    found = [int(number) for number in np.unique(placed) if number]
    if not found:
        raise InputError(f"{path}: has no region within the grid; is it in the space of the scans?")
    known = _names(names) if names else {}
    return placed, {number: known.get(number, str(number)) for number in found}


def _load(path: Path) -> SpatialImage:
    """Loads a volume by nibabel. Raises: what nibabel raises; ImageFileError for a file that holds no volume."""
    image = nibabel.load(path)
    if not isinstance(image, SpatialImage):
        raise ImageFileError("it holds no volume")
    return image


def _names(path: Path) -> dict[int, str]:
    try:
        header, *lines = [line.split("\t") for line in path.read_text(encoding="utf-8-sig").splitlines() if line]
        index, name = header.index("index"), header.index("name")
        return {int(line[index]): line[name] for line in lines}
    except (OSError, ValueError, IndexError, UnicodeDecodeError):
        raise InputError(f"{path}: no table can be read there; it needs tabs and the columns index and name") from None
