"""A network as attribution sees it: from its scaled input to maps, and from maps to one logit."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.models.build import Network, build_classifier, build_trunk
from dynjax.models.classifier import Options
from dynjax.models.head import LINEAR, POOLED
from dynjax.work.compiling import announced

BATCH = 16  # images, or scans of one image, that are handled at a time


class Halves(NamedTuple):
    """A network cut at the maps at which attribution looks; `numbers` are its parameters and batch statistics.

    maps(numbers, inputs [N, ...]) -> [M, ..., C], with M = N times the number of views.
    logit(numbers, maps) -> [N], the logit of the positive class less that of the negative one, in evaluation. Of a
    network that averages the probabilities of several answers, it is the mean of their logits.
    early_maps(numbers, volumes [N, X, Y, Z, 1]) -> [N, x, y, z, C], of an earlier stage of a 3D network.
    """

    maps: Callable[[Any, jax.Array], jax.Array]
    logit: Callable[[Any, jax.Array], jax.Array]
    early_maps: Callable[[Any, jax.Array], jax.Array] | None = None


class Numbers(NamedTuple):
    """The arrays of a network: its own, and those of its frozen trunk, {} where it has none."""

    params: dict
    batch_stats: dict
    trunk: dict
    trunk_stats: dict


@functools.cache
def halves(name: str, size: tuple[int, ...], options: Options) -> Halves:
    """Cuts a network of `build_classifier`, with its trunk also where that stands still.

    Maps are those of the trunk, the last convolution of 3D-VGG before its ReLU, or what the last residual block of
    3D-ResNet gives (Yang et al. 2018); of another 3D network they are its input.
    """
    network = build_classifier(name, size, options)
    if options.is_frozen:
        return _on_frozen_trunk(network, build_trunk(name, options.cut, options.dtype), options)
    if network.maps is None or network.answer is None:
        return Halves(_whole, lambda numbers, inputs: _difference(_apply(network, numbers, inputs)))
    first, second, early = network.maps, network.answer, network.early_maps
    return Halves(
        lambda numbers, inputs: first(numbers.params, numbers.batch_stats, inputs),
        lambda numbers, maps: _difference(second(numbers.params, numbers.batch_stats, maps)),
        early and (lambda numbers, volumes: early(numbers.params, numbers.batch_stats, volumes)),
    )


class Explained(NamedTuple):
    """A trained network to be explained."""

    halves: Halves
    numbers: Numbers

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Returns the logits, float64 [N], of scaled inputs [N, ...]."""
        found = _programs(self.halves).logits(self.numbers, inputs)
        return np.asarray(found, np.float64)

    def along(
        self, start: np.ndarray, end: np.ndarray, places: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the logits [K] at places between two inputs, and the sum of the gradients there times weights [K].

        At a place t the input is start + t (end - start).
        """
        values, gradient = _programs(self.halves).along(self.numbers, start, end, places, weights)
        return np.asarray(values, np.float64), np.asarray(gradient, np.float64)

    def maps(self, inputs: np.ndarray) -> np.ndarray:
        """Returns the maps of N scans, float32 [M, ..., C]."""
        return np.asarray(_programs(self.halves).maps(self.numbers, inputs), np.float32)

    def early_maps(self, inputs: np.ndarray) -> np.ndarray:
        """Returns the maps of an earlier stage of a 3D network, float32 [N, x, y, z, C]."""
        return np.asarray(_programs(self.halves).early_maps(self.numbers, inputs), np.float32)

    def slopes(self, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns logits [N] and their derivatives by the maps, of the maps' shape."""
        values, slopes = _programs(self.halves).slopes(self.numbers, maps)
        return np.asarray(values, np.float64), np.asarray(slopes, np.float32)


class _Programs(NamedTuple):
    logits: Callable
    along: Callable
    maps: Callable
    slopes: Callable
    early_maps: Callable


@functools.lru_cache(maxsize=8)
def _programs(parts: Halves) -> _Programs:
    """Compiles what is needed of a network, once for all folds."""

    def logits(numbers, inputs):
        return parts.logit(numbers, parts.maps(numbers, inputs))

    def along(numbers, start, end, places, weights):
        inputs = start[None] + places.reshape(-1, *(1,) * start.ndim) * (end - start)[None]

        def weighed(inputs):
            values = logits(numbers, inputs)
            return (weights * values).sum(), values

        gradient, values = jax.grad(weighed, has_aux=True)(inputs)
        return values, gradient.sum(0)

    def slopes(numbers, maps):
        def total(maps):
            values = parts.logit(numbers, maps)
            return values.sum(), values

        gradient, values = jax.grad(total, has_aux=True)(maps)
        return values, gradient

    def early_maps(numbers, inputs):
        assert parts.early_maps is not None, "only 3D-VGG and 3D-ResNet are cut at an earlier stage"
        return parts.early_maps(numbers, inputs)

    programs = logits, along, parts.maps, slopes, early_maps
    return _Programs(*(announced(jax.jit(each), "a program that explains") for each in programs))


def _on_frozen_trunk(network: Network, trunk: Network, options: Options) -> Halves:
    def maps(numbers: Numbers, inputs: jax.Array) -> jax.Array:
        images = inputs.reshape(-1, *inputs.shape[-3:])
        colours = jnp.broadcast_to(images, (*images.shape[:3], 3))
        return trunk.apply(numbers.trunk, numbers.trunk_stats, colours, train=False)[0].astype(jnp.float32)

    def logit(numbers: Numbers, maps: jax.Array) -> jax.Array:
        if options.head in (LINEAR, POOLED):
            maps = maps.mean((1, 2), keepdims=True)
        if options.views > 1:
            maps = maps.reshape(-1, options.views, *maps.shape[1:])
        return _difference(_apply(network, numbers, maps))

    return Halves(maps, logit)


def _whole(numbers: Numbers, inputs: jax.Array) -> jax.Array:
    return inputs


def _apply(network: Network, numbers: Numbers, inputs: jax.Array) -> jax.Array:
    return network.apply(numbers.params, numbers.batch_stats, inputs, train=False)[0]


def _difference(logits: jax.Array) -> jax.Array:
    found = logits[..., 1] - logits[..., 0]
    return found if found.ndim == 1 else found.mean(-1)
