"""A fold's network as its checkpoint holds it: what `evaluate` and `predict` have in common."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.errors import InputError
from dynjax.experiment import settings
from dynjax.models.build import Options, build_classifier
from dynjax.training import checkpoint

BATCH = 16  # images at a time; the last batch is padded, so that one program serves all


class Trained(NamedTuple):
    """probability(images [N, H, W, C]) -> float32 [N], that of the positive class; about, as the checkpoint has it."""

    probability: Callable[[np.ndarray], np.ndarray]
    config: FrozenConfigDict
    about: dict[str, Any]


def load_trained(path: Path) -> Trained:
    """Reads the network alone, by the config that its checkpoint carries. Raises: InputError for a damaged one."""
    about = checkpoint.read_about(path)
    config = settings.from_dict(about["config"])
    shapes, predict = _network(config.model.name, settings.image_size(config), settings.network_options(config))
    params, batch_stats = checkpoint.load_network(path, *shapes)

    def probability(images: np.ndarray) -> np.ndarray:
        batches = []
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            padding = [(0, BATCH - len(batch))] + [(0, 0)] * (images.ndim - 1)
            batches.append(np.asarray(predict(params, batch_stats, np.pad(batch, padding)))[: len(batch)])
        return np.concatenate(batches)

    return Trained(probability, config, about)


def finished_checkpoint(folder: Path, epochs: int) -> Path:
    """The checkpoint of a fold's last epoch. Raises: InputError where training has not got there."""
    newest = checkpoint.latest(folder)
    if newest is None or checkpoint.read_about(newest)["epoch"] < epochs:
        raise InputError(f"{folder}: this fold is not trained to the end; run train on its workdir first")
    return newest


@functools.cache
def _network(name: str, image_size: tuple[int, int], options: Options):
    """The shapes of params and batch statistics, and one jitted function for the networks of all folds."""
    network = build_classifier(name, image_size, options)

    @jax.jit
    def predict(params, batch_stats, images):
        logits, _ = network.apply(params, batch_stats, images, train=False)
        return jax.nn.softmax(logits)[:, 1]

    return jax.eval_shape(lambda: network.init(jax.random.key(0))), predict
