"""Projects each scan of a cohort once and stores its image.

An image's file is named by the scan's content and by every setting that the image depends on. The image of a damaged
file is made again.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.errors import InputError
from dynjax.files import cache_folder
from dynjax.projection.array_file import read_array, write_array
from dynjax.projection.exact import NotConverged
from dynjax.projection.project import WHOLE, image_shape, project
from dynjax.volumes.digests import content_digest, read_content
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import Volume, load_volume
from dynjax.volumes.reading import NEWEST, Reading
from dynjax.work.parallel import map_scans

RECIPE = 1  # raise it whenever the same scan and settings give another image, so that stored images are not used


class Projection(NamedTuple):
    """The settings that turn a scan into an image; every field is part of a stored image's name."""

    grid: Grid = Grid()
    name: str = "dynamic"
    axis: str = "axial"
    weights: str = "simple"
    nan: str = "refuse"
    recipe: int = NEWEST
    slabs: int = 1

    @property
    def reading(self) -> Reading:
        """How the scan is read before it is projected."""
        return Reading(self.grid, self.nan, self.recipe)


class ProjectedCohort(NamedTuple):
    """Raw images as `project` gives them, float32 [N, ...], or volumes [N, X, Y, Z], and each scan's sha256."""

    images: np.ndarray
    digests: list[str]


def project_scan(path: Path, projection: Projection, kept: bytes | None = None) -> np.ndarray:
    """Reads one scan and returns its raw image as `project` gives it, or the volume for a projection of WHOLE.

    Args: kept, the file's content if it is in memory already. Raises: InputError for a scan that is refused.
    """
    return project_volume(path, load_volume(path, *projection.reading, kept=kept), projection)


def project_volume(path: Path, volume: Volume, projection: Projection) -> np.ndarray:
    """Returns what `project_scan` does, of the scan's volume on the grid; the path is for messages."""
    if projection.name in WHOLE:
        return volume.data
    try:
        return project(volume.data, projection.name, projection.axis, projection.weights, projection.slabs)
    except NotConverged as error:
        advice = "leave the scan out, or choose another --config.projection.name, such as svr or dynamic"
        raise InputError(f"{path}: refused: {error}; {advice}") from None


def project_cohort(paths: Sequence[Path], projection: Projection) -> ProjectedCohort:
    """Projects every scan that is not stored yet and returns all images; volumes of WHOLE are read but not stored.

    Raises: InputError that lists every refused scan, after the images of all others are stored.
    """
    grid, whole = projection.grid.shape, projection.name in WHOLE
    shape = grid if whole else image_shape(grid, projection.axis, projection.name, projection.slabs)
    images = np.empty((len(paths), *shape), np.float32)

    def fill(item: tuple[int, Path]) -> str:
        index, path = item
        digest, kept = read_content(path)
        images[index] = (
            project_scan(path, projection, kept) if whole else stored_image(path, digest, projection, kept=kept)
        )
        return digest

    digests = map_scans(fill, list(enumerate(paths)), "reading and projecting scans")
    return ProjectedCohort(images, digests)


def fill_store(paths: Sequence[Path], projection: Projection) -> list[str]:
    """Projects and stores every scan that is not stored yet, on a cluster's workers if there is one; whole volumes too.

    Returns: the sha256 of each scan's content. Raises: InputError that lists every refused scan.
    """
    store = functools.partial(_store, projection=projection)
    return map_scans(store, paths, "filling the store with projected scans", travels=True)


def projection_key(projection: Projection) -> str:
    """Returns the name by which stores tell one way of projecting from another."""
    settings = projection if projection.slabs > 1 else projection[:-1]  # as before there were slabs
    description = json.dumps([RECIPE, *settings])
    return hashlib.sha256(description.encode()).hexdigest()[:16]


def _entry(digest: str, projection: Projection) -> Path:
    return cache_folder() / "projections" / projection_key(projection) / digest[:2] / f"{digest}.npy"


def _store(path: Path, projection: Projection) -> str:
    digest, kept = read_content(path)
    if not _entry(digest, projection).exists():
        stored_image(path, digest, projection, is_optional=False, kept=kept)
    return digest


def stored_image(
    path: Path, digest: str, projection: Projection, is_optional: bool = True, kept: bytes | None = None
) -> np.ndarray:
    """Returns a scan's image, or volume, from the store; if it is not there, makes and stores it.

    Args: digest, the sha256 of the scan's content; is_optional, whether a store that cannot be written is no error;
    kept, the content, if it is in memory already.
    Raises: InputError for a scan that is refused or has changed since the digest was taken.
    """
    entry = _entry(digest, projection)
    image = read_array(entry)
    if image is None:
        image = project_scan(path, projection, kept)
        if kept is None and content_digest(path) != digest:
            raise InputError(f"{path}: has changed while it was used; run the same command again")
        write_array(entry, image, is_optional)
    return image
