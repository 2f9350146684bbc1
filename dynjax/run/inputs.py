"""Turns what a projection gives of a scan into the input of a config's network."""

from pathlib import Path

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.errors import InputError
from dynjax.files import lock
from dynjax.frozen.store import Seeing
from dynjax.frozen.trunk import FrozenTrunk, find_trunk
from dynjax.pretrained.source import find_weights
from dynjax.pretrained.weights import read_weights, save_weights
from dynjax.projection.project import WHOLE
from dynjax.projection.scale import scale_images, scale_views, scale_volumes
from dynjax.run import settings
from dynjax.run.workdir import Workdir


def scale(config: FrozenConfigDict, projected: np.ndarray) -> np.ndarray:
    """Scales the outputs of `project_scan` [N, ...]: images [N, H, W, C], views [N, V, H, W, C] or volumes."""
    if config.projection.name in WHOLE:
        return scale_volumes(projected)
    if settings.count_views(config) > 1:
        return scale_views(projected, config.projection.slabs, config.projection.scale)
    return scale_images(projected, config.projection.scale)


def network_input(config: FrozenConfigDict, trunk: FrozenTrunk | None, projected: np.ndarray) -> np.ndarray:
    """Returns what the network takes of one scan, given the output of `project_scan`: its image, views or features."""
    if trunk is None:
        return scale(config, projected[None])[0]
    return seeing_of(config, trunk).features(projected)


def seeing_of(config: FrozenConfigDict, trunk: FrozenTrunk) -> Seeing:
    """Returns how the config's frozen trunk sees a scan."""
    return Seeing(settings.projection_of(config), config.projection.scale, trunk, settings.is_pooled(config))


def make_trunk_of(config: FrozenConfigDict, workdir: Workdir) -> FrozenTrunk | None:
    """Returns the run's frozen trunk, which is put into the workdir if none is there; None for a trunk that is trained.

    Raises: InputError if no pretrained weights can be had.
    """
    if not settings.is_frozen(config):
        return None
    with lock(workdir.path / ".trunk.lock"):
        if not workdir.trunk.exists():
            weights = find_weights(config.model.name, "required")  # random numbers that stand still know nothing
            assert weights is not None
            save_weights(workdir.trunk, config.model.name, weights)
    return trunk_of(config, workdir)


def trunk_of(config: FrozenConfigDict, workdir: Workdir) -> FrozenTrunk | None:
    """Returns the frozen trunk that the run keeps; None for one that is trained. Raises: InputError if it is gone."""
    if not settings.is_frozen(config):
        return None
    return find_trunk(workdir.trunk, config.model.name, config.model.cut, config.model.dtype)


def origin_of(trunk: FrozenTrunk) -> dict:
    """Says where a frozen trunk's weights come from, as checkpoints and results.json do."""
    weights = read_weights(Path(trunk.path), trunk.name)
    return {"pretrained": True, "source": weights.source, "sha256": weights.sha256, "trunk": trunk.digest}


def check_trunk(trunk: FrozenTrunk | None, about: dict, path: Path | str) -> None:
    """Raises InputError if a network, by its checkpoint's description, was trained on another frozen trunk."""
    if trunk is not None and about["weights"].get("trunk") != trunk.digest:
        raise InputError(f"{path}: was trained on another frozen trunk than {trunk.path}; restore that file")
