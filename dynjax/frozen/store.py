"""Stores what a frozen trunk makes of each scan, beside the scan's image: it is computed once.

A file is named by the scan's content and by everything that its numbers depend on.
"""

import functools
import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.files import cache_folder
from dynjax.frozen.trunk import FrozenTrunk
from dynjax.projection.array_file import read_array, write_array
from dynjax.projection.project import count_views
from dynjax.projection.scale import scale_images, scale_views
from dynjax.projection.store import Projection, projection_key, stored_image
from dynjax.volumes.digests import read_content
from dynjax.work import cluster
from dynjax.work.parallel import map_scans

DESCRIPTION = "features of the frozen trunk"
RECIPE = 1  # raise it whenever the same image and trunk give other features


class Seeing(NamedTuple):
    """How a frozen trunk sees a scan: its projection, the scale of its images, and whether its maps are averaged."""

    projection: Projection
    scale: str
    trunk: FrozenTrunk
    is_pooled: bool

    def features(self, image: np.ndarray) -> np.ndarray:
        """Returns what the trunk makes of a scan's raw image [H, W] or views [V, H, W].

        float32 [h, w, C] or [V, h, w, C]; the mean over the map, [.., 1, 1, C], if it is pooled. It depends on no other
        scan, to the last bit.
        """
        name, axis, slabs = self.projection.name, self.projection.axis, self.projection.slabs
        is_one = count_views(name, axis, slabs) == 1
        scaled = scale_images(image[None], self.scale) if is_one else scale_views(image[None], slabs, self.scale)[0]
        maps = self.trunk.maps(scaled)
        maps = maps.mean((1, 2), keepdims=True) if self.is_pooled else maps
        return maps[0] if is_one else maps


def scan_features(paths: Sequence[Path], seeing: Seeing) -> tuple[np.ndarray, list[str]]:
    """Returns the features of scans, float32 [N, ...], and the sha256 of each scan's content; stores what is new.

    Holds one scan a core besides the result. Where there is a cluster, its workers do the work.
    Raises: InputError that lists every refused scan, after the features of all others are stored.
    """
    if cluster.is_there():
        map_scans(functools.partial(_store, seeing=seeing), paths, DESCRIPTION, travels=True)
    table: list[np.ndarray] = []  # one array, made when the first good scan tells its shape
    lock = threading.Lock()

    def fill(item: tuple[int, Path]) -> str:
        index, path = item
        digest, kept = read_content(path)
        features = stored_features(path, digest, seeing, kept=kept)
        with lock:
            if not table:
                table.append(np.empty((len(paths), *features.shape), np.float32))
        table[0][index] = features
        return digest

    digests = map_scans(fill, list(enumerate(paths)), DESCRIPTION)
    return table[0] if table else np.empty((0,), np.float32), digests


def stored_features(
    path: Path, digest: str, seeing: Seeing, is_optional: bool = True, kept: bytes | None = None
) -> np.ndarray:
    """Returns a scan's features from the store; if they are not there, computes and stores them.

    Args and Raises: as `stored_image`.
    """
    entry = _entry(digest, seeing)
    features = read_array(entry)
    if features is None:
        features = seeing.features(stored_image(path, digest, seeing.projection, is_optional, kept))
        write_array(entry, features, is_optional)
    return features


def _store(path: Path, seeing: Seeing) -> str:
    digest, kept = read_content(path)
    if not _entry(digest, seeing).exists():
        stored_features(path, digest, seeing, is_optional=False, kept=kept)
    return digest


def _entry(digest: str, seeing: Seeing) -> Path:
    trunk = seeing.trunk
    of_trunk = [trunk.name, trunk.digest, trunk.cut, trunk.dtype]
    image = projection_key(seeing.projection)
    description = json.dumps([RECIPE, image, seeing.scale, seeing.is_pooled, *of_trunk])
    key = hashlib.sha256(description.encode()).hexdigest()[:16]
    return cache_folder() / "features" / key / digest[:2] / f"{digest}.npy"
