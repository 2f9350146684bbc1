"""How a run's network sees a volume, in the steps that attribution goes back through."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.explanation.network import BATCH, Explained, Numbers, halves
from dynjax.explanation.voxels import View, attribute, views_of
from dynjax.explanation.window import Window, window_of, window_of_volume
from dynjax.projection.dynamic import AXES
from dynjax.projection.project import TRIPLANAR, WHOLE, project
from dynjax.projection.store import project_volume
from dynjax.run import settings
from dynjax.run.inputs import scale
from dynjax.run.trained import Trained
from dynjax.volumes.nifti import Volume

VOLUMES_TOGETHER = 2  # volumes of a 3D network that are handled at a time


class Sight(NamedTuple):
    """Leads from a volume [X, Y, Z] to a network's input and back.

    project: volume -> raw images, or the volume itself for a 3D network. window: raw -> how it is scaled. views: the
    images that are made of a volume; [] for a 3D network. size: an image's height and width. network: takes the scaled
    input. weight: how many images of a batch an input counts for.
    """

    project: Callable[[np.ndarray], np.ndarray]
    window: Callable[[np.ndarray], Window]
    views: list[View]
    size: tuple[int, ...]
    network: Explained
    weight: int

    def to_voxels(self, slopes: np.ndarray, volume: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Divides the effect of the raw images among the voxels, as `attribute` does: float64 [X, Y, Z]."""
        if not self.views:
            return slopes * (volume.astype(np.float64) - reference)
        return attribute(slopes, volume, reference, self.views, self.size)


def whole_network(trained: Trained) -> Explained:
    """Returns the network that takes what `scale` gives: images, views or volumes, of a frozen trunk too."""
    config = trained.config
    parts = halves(config.model.name, settings.input_size(config), settings.network_options(config))
    return Explained(parts, _numbers(trained))


def sight_of(trained: Trained) -> Sight:
    """Returns how a network sees a volume; `to_voxels` holds for a projection of ATTRIBUTABLE alone."""
    config, grid = trained.config, tuple(trained.config.volume.grid)
    of = config.projection
    if of.name == "none":
        network = whole_network(trained)
        return Sight(lambda volume: volume, window_of_volume, [], (), network, BATCH // VOLUMES_TOGETHER)
    if of.name == "learned":
        return _learned(trained, grid)
    views = views_of(grid, of.name, of.axis, of.weights, of.slabs)
    return Sight(
        lambda volume: project(volume, of.name, of.axis, of.weights, of.slabs),
        lambda raw: window_of(raw, of.slabs, of.scale),
        views,
        settings.input_size(config),
        whole_network(trained),
        1 if of.axis == TRIPLANAR else len(views),
    )


def answer_volumes(trained: Trained, network: Explained, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that gives the logits [N] of volumes [N, X, Y, Z], by every step that `predict` takes.

    Args: path, of the scan that the volumes are made of, for messages.
    """
    config = trained.config
    projection, whole = settings.projection_of(config), config.projection.name in WHOLE
    together = VOLUMES_TOGETHER if whole else max(1, BATCH // settings.count_views(config))

    def answer(volumes: np.ndarray) -> np.ndarray:
        raw = np.stack([project_volume(path, Volume(volume, projection.grid.affine), projection) for volume in volumes])
        found = []
        for start in range(0, len(raw), together):
            part = raw[start : start + together]
            filled = part[np.arange(together) % len(part)]  # one size of batch, so that one program is compiled
            found.append(network.logits(scale(config, filled))[: len(part)])
        return np.concatenate(found)

    return answer


def _learned(trained: Trained, grid: tuple[int, ...]) -> Sight:
    """Returns how a network with a learned projection sees a volume: as the image that its learned weights pool."""
    config, of = trained.config, trained.config.projection
    params, _ = trained.network
    position = AXES[of.axis]
    weights = np.asarray(params["pooling"]["share"], np.float64) * (grid[position] - 1)
    size = tuple(extent for axis, extent in enumerate(grid) if axis != position)
    options = settings.network_options(config)._replace(learned_axis="")
    numbers = _numbers(trained)
    own = {name: part for name, part in numbers.params.items() if name != "pooling"}
    return Sight(
        lambda volume: np.tensordot(volume, weights, (position, 0)).astype(np.float32),
        lambda raw: window_of(raw, 1, of.scale),
        views_of(grid, of.name, of.axis, "", 1, weights),
        size,
        Explained(halves(config.model.name, size, options), numbers._replace(params=own)),
        1,
    )


def _numbers(trained: Trained) -> Numbers:
    params, batch_stats = trained.network
    trunk, trunk_stats = trained.trunk.numbers() if trained.trunk else ({}, {})
    return Numbers(params, batch_stats, trunk, trunk_stats)
