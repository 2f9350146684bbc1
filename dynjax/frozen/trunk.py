"""A pretrained trunk that stands still: a run keeps it in one file, and every reader takes it from there."""

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.errors import InputError
from dynjax.models.build import Tree, build_trunk
from dynjax.pretrained.weights import digest_of, read_weights, restrict
from dynjax.work.compiling import announced

_LOADING = threading.Lock()


class FrozenTrunk(NamedTuple):
    """A trunk by its file, made by `save_weights`, and the sha256 of its numbers; it travels to other processes.

    cut: where the trunk ends. dtype: of its convolutions and matrix products.
    """

    path: str
    name: str
    digest: str
    cut: str = "paper"
    dtype: str = "float32"

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Returns the trunk's maps of images [N, H, W, 1 or 3], float32 [N, h, w, C].

        Raises: InputError if its file is gone, damaged or another trunk's.
        """
        params, batch_stats = self.numbers()
        return np.asarray(trunk_program(self.name, self.cut, self.dtype)(params, batch_stats, images))

    def numbers(self) -> tuple[Tree, Tree]:
        """Returns the trunk's parameters and batch statistics, for `build_trunk`. Raises: InputError as `maps`."""
        with _LOADING:  # threads that need the same trunk at the same time wait for the first
            return _load(self)


def find_trunk(path: Path, name: str, cut: str, dtype: str) -> FrozenTrunk:
    """Reads the trunk that a run keeps. Raises: InputError if its file is missing or damaged."""
    if not path.exists():
        raise InputError(f"{path}: no such file, and the run's networks need it; run train on this workdir again")
    return FrozenTrunk(str(path), name, digest_of(read_weights(path, name)), cut, dtype)


@functools.lru_cache(maxsize=2)
def _load(trunk: FrozenTrunk) -> tuple[Tree, Tree]:
    """Reads the trunk's parameters and batch statistics. Raises: InputError if its file has changed."""
    weights = read_weights(Path(trunk.path), trunk.name)
    if digest_of(weights) != trunk.digest:
        raise InputError(f"{trunk.path}: is not the trunk that this run's networks were trained on")
    shapes = build_trunk(trunk.name, trunk.cut).shapes()
    params, batch_stats = restrict(weights, *shapes)
    return jax.tree.map(jnp.asarray, ({"trunk": params}, {"trunk": batch_stats} if batch_stats else {}))


def trunk_program(name: str, cut: str = "paper", dtype: str = "float32") -> Callable:
    """Returns a compiled function from params, batch statistics and images [N, H, W, 1 or 3] to maps [N, h, w, C]."""
    with _LOADING:  # or each of several threads would get, and compile, a program of its own
        return _program(name, cut, dtype)


@functools.cache
def _program(name: str, cut: str, dtype: str) -> Callable:
    network = build_trunk(name, cut, dtype)

    def maps(params, batch_stats, images: jax.Array) -> jax.Array:
        colours = jnp.broadcast_to(images, (*images.shape[:3], 3))
        return network.apply(params, batch_stats, colours, train=False)[0].astype(jnp.float32)

    return announced(jax.jit(maps), "the network that stands still")
