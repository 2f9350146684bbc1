"""Builds a network as two pure functions, `init` and `apply`; no code outside this folder handles Flax modules."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dynjax.models.attention import AttentionMask
from dynjax.models.classifier import Classifier, JointClassifier, LinearClassifier, Options
from dynjax.models.head import JOINT, LINEAR
from dynjax.models.patches import Patches3D
from dynjax.models.trunks import TRUNKS, Trunk
from dynjax.models.volumetric import VGG3D, ResNet3D

# Networks whose input is a whole volume.
VOLUMETRIC: dict[str, Any] = {
    "vgg3d": VGG3D,
    "resnet3d": ResNet3D,
    "patches3d": Patches3D,
}

DTYPES = ("float32", "bfloat16")
TRAINABLE = ("all", "head")

Tree = dict  # nested dicts of arrays; the keys are module attributes and list positions


class Network(NamedTuple):
    """A network as pure functions over nested dicts of arrays.

    init(key) -> (params, batch_stats).
    apply(params, batch_stats, images, train=, key=) -> (output, batch_stats); the key is needed in training only.
    features(params, batch_stats, images) -> [N, D] gives what is under the last layer, in evaluation.
    shapes() -> what `init` returns, with a jax.ShapeDtypeStruct in place of each array.
    join(params, batch_stats, images, labels) -> batch_stats begins the second stage of a network with two stages of
      training, by evaluating the first stage on the training images; None for other networks.
    maps(params, batch_stats, images) -> [M, ..., C] gives the maps at which attribution looks, in evaluation, and
    answer(params, batch_stats, maps) -> output goes on from there; None for networks without such maps.
    early_maps(params, batch_stats, volumes) -> [N, x, y, z, C] gives maps of an earlier stage, at which a 3D network is
      cut for a class activation map, in evaluation; None for other networks.

    In evaluation the output is logits [N, 2], or [N, P, 2] of P answers whose probabilities are to be averaged.
    """

    init: Callable
    apply: Callable
    features: Callable
    shapes: Callable
    join: Callable | None = None
    maps: Callable | None = None
    answer: Callable | None = None
    early_maps: Callable | None = None


PAPER = Options()


@functools.cache
def build_classifier(name: str, size: tuple[int, ...], options: Options = PAPER) -> Network:
    """Builds a network that gives logits [N, 2]: a trunk of TRUNKS with attention and head, or one of VOLUMETRIC.

    Args:
      name: a key of TRUNKS or of VOLUMETRIC.
      size: the height and width of the input images in pixels, or the extents of the input volumes in voxels.
      options: by default those of the paper.

    Raises: ValueError for volumes too small for a network of VOLUMETRIC.
    """
    if name in VOLUMETRIC:
        if min(map(VOLUMETRIC[name].map_size, size)) < 1:
            raise ValueError(f"{name} needs larger volumes than {size}")
        own = {"n_patches": options.n_patches} if name == "patches3d" else {}
        network = _pure(lambda rngs: VOLUMETRIC[name](size, dropout=options.dropout, rngs=rngs, **own))
    elif options.head == LINEAR:
        return _linear(name, options.views)
    else:
        kind = JointClassifier if options.head == JOINT else Classifier
        network = _pure(lambda rngs: kind(name, size, options, rngs=rngs))
    return network if options.dtype == "float32" else _in_low_precision(network, jnp.dtype(options.dtype))


@functools.cache
def build_trunk(name: str, cut: str = "paper", dtype: str = "float32") -> Network:
    """Builds a trunk of TRUNKS without a classifier; it maps images [N, H, W, 3] to features [N, h, w, C]."""
    network = _pure(lambda rngs: Trunk(name, cut, rngs=rngs))
    return network if dtype == "float32" else _in_low_precision(network, jnp.dtype(dtype))


@functools.cache
def build_mask(channels: int, attention: str) -> Network:
    """Builds the mask of an attention, which maps features [N, h, w, C] to [N, h, w, 1]."""
    return _pure(lambda rngs: AttentionMask(channels, attention, rngs=rngs))


def count_trunk(name: str, cut: str = "paper") -> int:
    """Returns the number of a trunk's parameters."""
    params, _ = build_trunk(name, cut).shapes()
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _linear(name: str, views: int) -> Network:
    network = _pure(lambda rngs: LinearClassifier(TRUNKS[name].features, views))

    def features(params: Tree, batch_stats: Tree, images: jax.Array) -> jax.Array:
        stats = batch_stats["head"]
        return (images.reshape(len(images), -1) - stats["mean"][None]) * stats["scale"][None]

    return network._replace(features=features)


def without_last_layer(params: Tree) -> Tree:
    """Replaces every last layer [D, 2] of a classifier by the identity: `apply` then gives the features under it."""
    if "kernel" in params and params["kernel"].shape[1:] == (2,):
        size = len(params["kernel"])
        return {"kernel": jnp.eye(size), "bias": jnp.zeros(size)}
    return {name: without_last_layer(inner) if isinstance(inner, dict) else inner for name, inner in params.items()}


def _pure(make: Callable[[nnx.Rngs], nnx.Module]) -> Network:
    module = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    graphdef, *states = _split(module)
    params, batch_stats = map(nnx.to_pure_dict, states)

    def init(key: jax.Array) -> tuple[Tree, Tree]:
        _, params, batch_stats = _split(make(nnx.Rngs(key)))
        return nnx.to_pure_dict(params), nnx.to_pure_dict(batch_stats)

    def apply(params: Tree, batch_stats: Tree, images: jax.Array, *, train: bool, key: jax.Array | None = None):
        batch_stats = jax.tree.map(jnp.asarray, batch_stats)  # Flax would write to NumPy arrays in place
        module = nnx.merge(graphdef, nnx.State(params), nnx.State(batch_stats))
        output = module(images, train=train, key=key)
        return output, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))

    def shapes() -> tuple[Tree, Tree]:
        return params, batch_stats

    def join(params: Tree, batch_stats: Tree, images: np.ndarray, labels: np.ndarray) -> Tree:
        batch_stats = jax.tree.map(jnp.asarray, batch_stats)
        module = nnx.merge(graphdef, nnx.State(params), nnx.State(batch_stats))
        module.join(images, labels)
        return nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))

    def features(params: Tree, batch_stats: Tree, images: jax.Array) -> jax.Array:
        return _under(apply, params, batch_stats, images)

    def maps(params: Tree, batch_stats: Tree, images: jax.Array) -> jax.Array:
        return nnx.merge(graphdef, nnx.State(params), nnx.State(batch_stats)).maps(images, train=False)

    def answer(params: Tree, batch_stats: Tree, maps: jax.Array) -> jax.Array:
        return nnx.merge(graphdef, nnx.State(params), nnx.State(batch_stats)).answer(maps, train=False)

    def early_maps(params: Tree, batch_stats: Tree, volumes: jax.Array) -> jax.Array:
        return nnx.merge(graphdef, nnx.State(params), nnx.State(batch_stats)).early_maps(volumes, train=False)

    found: dict[str, Callable] = {"join": join, "maps": maps, "answer": answer, "early_maps": early_maps}
    own = {name: each for name, each in found.items() if hasattr(module, name)}
    return Network(init, apply, features, shapes, **own)


def _under(apply: Callable, params: Tree, batch_stats: Tree, images: jax.Array) -> jax.Array:
    found, _ = apply(without_last_layer(params), batch_stats, images, train=False)
    return found.reshape(len(found), -1)


def _in_low_precision(network: Network, dtype: jnp.dtype) -> Network:
    """Computes convolutions and matrix products in `dtype`; parameters and batch statistics stay in float32."""

    def lower(tree: Tree) -> Tree:
        if "kernel" in tree:  # a convolution or a dense layer, with its bias
            return {name: leaf.astype(dtype) for name, leaf in tree.items()}
        return {name: lower(inner) if isinstance(inner, dict) else inner for name, inner in tree.items()}

    def apply(params: Tree, batch_stats: Tree, images: jax.Array, **options):
        output, batch_stats = network.apply(lower(params), batch_stats, images.astype(dtype), **options)
        return output.astype(jnp.float32), batch_stats

    lowered = network._replace(apply=apply, features=functools.partial(_under, apply))
    if network.maps is None or network.answer is None:
        return lowered
    first, second = network.maps, network.answer

    def maps(params: Tree, batch_stats: Tree, images: jax.Array) -> jax.Array:
        return first(lower(params), batch_stats, images.astype(dtype))

    def answer(params: Tree, batch_stats: Tree, maps: jax.Array) -> jax.Array:
        return second(lower(params), batch_stats, maps).astype(jnp.float32)

    lowered = lowered._replace(maps=maps, answer=answer)
    if (third := network.early_maps) is None:
        return lowered
    return lowered._replace(
        early_maps=lambda params, batch_stats, volumes: third(lower(params), batch_stats, volumes.astype(dtype))
    )


def _split(module: nnx.Module) -> tuple[Any, Any, Any]:
    """Splits off parameters and batch statistics; Flax raises if there is other state, such as a random stream."""
    graphdef, params, batch_stats = nnx.split(module, nnx.Param, nnx.BatchStat)  # type: ignore[misc]
    return graphdef, params, batch_stats


def named_leaves(tree: Tree) -> dict[str, jax.Array]:
    """Returns a tree's arrays by slash-separated names such as `trunk/convs/0/kernel`, in the tree's own order."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
