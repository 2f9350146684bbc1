"""Builds a network as two pure functions, `init` and `apply`; no code outside this folder handles Flax modules."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dynjax.models.alexnet import AlexNet
from dynjax.models.attention import MapAttention
from dynjax.models.head import Head
from dynjax.models.learned import LearnedPooling
from dynjax.models.mobilenet import MobileNetV1, MobileNetV2
from dynjax.models.patches import Patches3D
from dynjax.models.resnet import ResNet18
from dynjax.models.shufflenet import ShuffleNetV2
from dynjax.models.vgg import VGG11
from dynjax.models.volumetric import VGG3D, ResNet3D

TRUNKS: dict[str, Any] = {
    "alexnet": AlexNet,
    "vgg11": VGG11,
    "resnet18": ResNet18,
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v2": MobileNetV2,
    "shufflenet_v2_x1_0": ShuffleNetV2,
}

# Networks whose input is a whole volume.
VOLUMETRIC: dict[str, Any] = {
    "vgg3d": VGG3D,
    "resnet3d": ResNet3D,
    "patches3d": Patches3D,
}

DTYPES = ("float32", "bfloat16")
CUTS = ("paper", "released")
CUT_TRUNKS = ("alexnet", "vgg11")  # the released code cuts these earlier than the paper's Table 1 suggests

Tree = dict  # nested dicts of arrays; the keys are module attributes and list positions


class Network(NamedTuple):
    """A network as pure functions over nested dicts of arrays.

    init(key) -> (params, batch_stats).
    apply(params, batch_stats, images, train=, key=) -> (output, batch_stats); the key is needed in training only.
    join(params, batch_stats, images, labels) -> batch_stats begins the second stage of a network with two stages of
      training, by evaluating the first stage on the training images; None for other networks.
    """

    init: Callable
    apply: Callable
    join: Callable | None = None


class Options(NamedTuple):
    """How a classifier is built around its trunk: as in the paper, or as in the code that its authors released."""

    dropout: float = 0.5
    attention: str = "map"  # 'map', 'rows' or 'none'
    head: str = "paper"  # or 'released'
    cut: str = "paper"  # where the trunk ends; or 'released'
    learned_axis: str = ""  # the axis along which volumes are pooled with learned weights; '' if the input is images
    learned_scale: str = "imagenet"  # the scale of the images that learned pooling gives
    n_patches: int = 27  # how many patches 'patches3d' joins
    dtype: str = "float32"  # the dtype of convolutions and matrix products; or 'bfloat16'


PAPER = Options()


class Trunk(nnx.Module):
    """A feature extractor without a classifier; its parameters have the same names as in a classifier."""

    def __init__(self, name: str, cut: str, *, rngs: nnx.Rngs):
        self.trunk = _make_trunk(name, cut, rngs)

    def __call__(self, images: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        return self.trunk(images, train=train)


class Classifier(nnx.Module):
    """Maps images [N, H, W, 1 or 3] to logits [N, 2]; it repeats the single channel of a dynamic image to three.

    With a learned projection its input is volumes [N, X, Y, Z, 1].
    """

    def __init__(self, name: str, size: tuple[int, ...], options: Options, *, rngs: nnx.Rngs):
        axis = options.learned_axis
        self.pooling = LearnedPooling(size, axis, options.learned_scale) if axis else None
        if self.pooling is not None:  # the image has the two other axes
            size = size[: self.pooling.position] + size[self.pooling.position + 1 :]
        self.trunk = _make_trunk(name, options.cut, rngs)
        channels = self.trunk.features
        with_attention = options.attention != "none"
        self.attention = MapAttention(channels, options.attention, rngs=rngs) if with_attention else None
        height, width = map(self.trunk.map_size, size)
        self.head = Head(height * width * channels, channels, options.head, dropout=options.dropout, rngs=rngs)

    def __call__(self, images: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        if self.pooling is not None:
            images = self.pooling(images).astype(images.dtype)
        images = jnp.broadcast_to(images, (*images.shape[:3], 3))
        features = self.trunk(images, train=train)
        if self.attention is not None:
            features = self.attention(features)
        return self.head(features, train=train, key=key)


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
    else:
        network = _pure(lambda rngs: Classifier(name, size, options, rngs=rngs))
    return network if options.dtype == "float32" else _in_low_precision(network, jnp.dtype(options.dtype))


def build_trunk(name: str, cut: str = "paper") -> Network:
    """Builds a trunk of TRUNKS without a classifier; it maps images [N, H, W, 3] to features [N, h, w, C]."""
    return _pure(lambda rngs: Trunk(name, cut, rngs=rngs))


def without_last_layer(params: Tree) -> Tree:
    """Replaces a classifier's last layer [D, 2] by the identity: `apply` then gives the features [N, D] under it."""
    if "kernel" in params and params["kernel"].shape[1:] == (2,):
        size = len(params["kernel"])
        return {"kernel": jnp.eye(size), "bias": jnp.zeros(size)}
    return {name: without_last_layer(inner) if isinstance(inner, dict) else inner for name, inner in params.items()}


def _make_trunk(name: str, cut: str, rngs: nnx.Rngs):
    return TRUNKS[name](cut, rngs=rngs) if name in CUT_TRUNKS else TRUNKS[name](rngs=rngs)


def _pure(make: Callable[[nnx.Rngs], nnx.Module]) -> Network:
    graphdef, _, _ = _split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))

    def init(key: jax.Array) -> tuple[Tree, Tree]:
        _, params, batch_stats = _split(make(nnx.Rngs(key)))
        return nnx.to_pure_dict(params), nnx.to_pure_dict(batch_stats)

    def apply(params: Tree, batch_stats: Tree, images: jax.Array, *, train: bool, key: jax.Array | None = None):
        batch_stats = jax.tree.map(jnp.asarray, batch_stats)  # Flax would write to NumPy arrays in place
        module = nnx.merge(graphdef, nnx.State(params), nnx.State(batch_stats))
        output = module(images, train=train, key=key)
        return output, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))

    def join(params: Tree, batch_stats: Tree, images: np.ndarray, labels: np.ndarray) -> Tree:
        batch_stats = jax.tree.map(jnp.asarray, batch_stats)
        module = nnx.merge(graphdef, nnx.State(params), nnx.State(batch_stats))
        module.join(images, labels)
        return nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))

    has_stages = hasattr(nnx.eval_shape(lambda: make(nnx.Rngs(0))), "join")
    return Network(init, apply, join if has_stages else None)


def _in_low_precision(network: Network, dtype: jnp.dtype) -> Network:
    """Computes convolutions and matrix products in `dtype`; parameters and batch statistics stay in float32."""

    def lower(tree: Tree) -> Tree:
        if "kernel" in tree:  # a convolution or a dense layer, with its bias
            return {name: leaf.astype(dtype) for name, leaf in tree.items()}
        return {name: lower(inner) if isinstance(inner, dict) else inner for name, inner in tree.items()}

    def apply(params: Tree, batch_stats: Tree, images: jax.Array, **options):
        output, batch_stats = network.apply(lower(params), batch_stats, images.astype(dtype), **options)
        return output.astype(jnp.float32), batch_stats

    return network._replace(apply=apply)


def _split(module: nnx.Module) -> tuple[Any, Any, Any]:
    """Splits off parameters and batch statistics; Flax raises if there is other state, such as a random stream."""
    graphdef, params, batch_stats = nnx.split(module, nnx.Param, nnx.BatchStat)  # type: ignore[misc]
    return graphdef, params, batch_stats


def named_leaves(tree: Tree) -> dict[str, jax.Array]:
    """Returns a tree's arrays by slash-separated names such as `trunk/convs/0/kernel`, in the tree's own order."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
