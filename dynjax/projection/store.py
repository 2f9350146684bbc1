"""The projected cohort, computed once: a file a scan, named by the scan's content and by all that shapes its image."""

import functools
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.errors import InputError
from dynjax.files import atomic_path, cache_folder
from dynjax.projection.project import WHOLE, image_shape, project
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import content_digest, load_volume
from dynjax.work.parallel import map_scans

RECIPE = 1  # raised whenever the same scan and settings give another image, so that stored ones are not used


class Projection(NamedTuple):
    """What turns a volume into an image; every field is part of a stored image's name."""

    grid: Grid = Grid()
    name: str = "dynamic"
    axis: str = "axial"
    weights: str = "simple"
    nan: str = "refuse"


class ProjectedCohort(NamedTuple):
    """Raw images float32 [N, H, W] or [N, H, W, 3] or volumes [N, X, Y, Z], and the sha256 of each scan's content."""

    images: np.ndarray
    digests: list[str]


def project_scan(path: Path, projection: Projection) -> np.ndarray:
    """One scan to its raw image, float32 as `project` gives it, or to the volume that a network itself takes in.

    Raises: InputError for a scan that is refused.
    """
    volume = load_volume(path, projection.grid, projection.nan)
    if projection.name in WHOLE:
        return volume.data
    return project(volume.data, projection.name, projection.axis, projection.weights)


def project_cohort(paths: Sequence[Path], projection: Projection) -> ProjectedCohort:
    """Projects every scan that is not stored yet and returns all images; whole volumes are not stored again.

    Raises: InputError that lists every refused scan; the images of the others are stored by then.
    """

    grid, whole = projection.grid.shape, projection.name in WHOLE
    images = np.empty((len(paths), *(grid if whole else image_shape(grid, projection.axis))), np.float32)

    def fill(item: tuple[int, Path]) -> str:
        index, path = item
        digest = content_digest(path)
        images[index] = project_scan(path, projection) if whole else stored_image(path, digest, projection)
        return digest

    digests = map_scans(fill, list(enumerate(paths)), "reading and projecting scans")
    return ProjectedCohort(images, digests)


def fill_store(paths: Sequence[Path], projection: Projection) -> list[str]:
    """Projects every scan that is not stored yet, on the workers of a cluster where there are any; whole volumes, too.

    Returns: the sha256 of each scan's content. Raises: InputError that lists every refused scan.
    """
    store = functools.partial(_store, projection=projection)
    return map_scans(store, paths, "filling the store with projected scans", travels=True)


def is_stored(path: Path, projection: Projection) -> bool:
    """Whether a scan's image was made before, so that the scan is known to be good. Raises: InputError if missing."""
    return _entry(content_digest(path), projection).exists()


def _entry(digest: str, projection: Projection) -> Path:
    description = json.dumps([RECIPE, *projection])
    key = hashlib.sha256(description.encode()).hexdigest()[:16]
    return cache_folder() / "projections" / key / digest[:2] / f"{digest}.npy"


def _store(path: Path, projection: Projection) -> str:
    digest = content_digest(path)
    if not _entry(digest, projection).exists():
        stored_image(path, digest, projection)
    return digest


def stored_image(path: Path, digest: str, projection: Projection) -> np.ndarray:
    """That of a scan, whose content has this sha256, from the store or into it; `project_scan` says what it is."""
    entry = _entry(digest, projection)
    image = _read(entry)
    if image is None:
        image = project_scan(path, projection)
        if content_digest(path) != digest:
            raise InputError(f"{path}: has changed while it was used; run the same command again")
        content = io.BytesIO()
        np.save(content, image, allow_pickle=False)
        with atomic_path(entry) as temporary:
            temporary.write_bytes(content.getvalue())  # which, unlike np.save, says it if the disk is full
    return image


def _read(entry: Path) -> np.ndarray | None:
    """A stored image; None where there is none, or where its file is not whole."""
    try:
        return np.load(entry, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
