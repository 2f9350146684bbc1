"""Classifiers of images: a trunk, or what a frozen trunk gave, and the answer on it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from dynjax.models.attention import MapAttention
from dynjax.models.head import POOLED, Head, LinearHead, PooledHead
from dynjax.models.learned import LearnedPooling
from dynjax.models.trunks import make_trunk

JOINED = 2  # views of a joint classifier


class Options(NamedTuple):
    """How a classifier is built around its trunk: as in the paper, or as in the code that its authors released."""

    dropout: float = 0.5
    attention: str = "map"  # 'map', 'rows' or 'none'
    head: str = "paper"  # one of HEADS
    cut: str = "paper"  # where the trunk ends; or 'released'
    learned_axis: str = ""  # the axis along which volumes are pooled with learned weights; '' if the input is images
    learned_scale: str = "imagenet"  # the scale of the images that learned pooling gives
    n_patches: int = 27  # how many patches 'patches3d' joins
    dtype: str = "float32"  # the dtype of convolutions and matrix products; or 'bfloat16'
    views: int = 1  # images of a scan
    is_frozen: bool = False  # the input is what a frozen trunk made of the images


class OnTrunk(nnx.Module):
    """Turns its input into the trunk's maps; `answer`, which turns these into logits, is that of the classifiers below.

    The input is images [N, H, W, 1 or 3], whose single channel is repeated to three, or with several views
    [N, V, H, W, 1 or 3]. With a learned projection it is volumes [N, X, Y, Z, 1]; with a frozen trunk, the maps that it
    made of the images, [N, h, w, C] or [N, V, h, w, C].
    """

    def __init__(self, name: str, size: tuple[int, ...], options: Options, *, rngs: nnx.Rngs):
        axis = options.learned_axis
        self.pooling = LearnedPooling(size, axis, options.learned_scale) if axis else None
        if self.pooling is not None:  # the image has the two other axes
            size = size[: self.pooling.position] + size[self.pooling.position + 1 :]
        trunk = make_trunk(name, options.cut, rngs)
        self.trunk = None if options.is_frozen else trunk
        self.views = options.views
        self.channels = trunk.features
        self.map_size = tuple(map(trunk.map_size, size))

    def __call__(self, images: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        return self.answer(self.maps(images, train=train), train=train, key=key)

    def answer(self, maps: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        """Returns logits, given the maps of all views."""
        raise NotImplementedError

    def maps(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Returns the maps of all views, [N V, h, w, C]."""
        if self.pooling is not None:
            images = self.pooling(images).astype(images.dtype)
        if self.views > 1:
            images = images.reshape(-1, *images.shape[2:])
        if self.trunk is None:
            return images
        return self.trunk(jnp.broadcast_to(images, (*images.shape[:3], 3)), train=train)

    def make_attention(self, options: Options, rngs: nnx.Rngs) -> MapAttention | None:
        """Returns an attention for maps, or None."""
        return MapAttention(self.channels, options.attention, rngs=rngs) if options.attention != "none" else None

    def make_head(self, options: Options, rngs: nnx.Rngs, maps: int = 1) -> Head | PooledHead:
        """Returns a head on so many maps."""
        height, width = self.map_size
        if options.head == POOLED:
            return PooledHead(self.channels, dropout=options.dropout, rngs=rngs)
        size = maps * height * width * self.channels
        return Head(size, self.channels, options.head, dropout=options.dropout, rngs=rngs)


class Classifier(OnTrunk):
    """Maps images to logits [N, 2] by attention and a head on each view's map; logits of several views are averaged."""

    def __init__(self, name: str, size: tuple[int, ...], options: Options, *, rngs: nnx.Rngs):
        super().__init__(name, size, options, rngs=rngs)
        self.attention = self.make_attention(options, rngs)
        self.head = self.make_head(options, rngs)

    def answer(self, maps: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        """Returns the logits of all scans, given the maps of all their views."""
        if self.attention is not None:
            maps = self.attention(maps)
        logits = self.head(maps, train=train, key=key)
        return logits if self.views == 1 else logits.reshape(-1, self.views, logits.shape[-1]).mean(1)


class JointClassifier(OnTrunk):
    """Maps images of two projections, [N, 2, H, W, 1 or 3], to the logits of three heads, [N, 3, 2].

    Our design, after Liang et al. 2019, who classify the 2D image, the dynamic image and both jointly by one
    architecture: a shared trunk, an attention for each projection, a head on each map and one on both.
    """

    def __init__(self, name: str, size: tuple[int, ...], options: Options, *, rngs: nnx.Rngs):
        super().__init__(name, size, options, rngs=rngs)
        self.attentions = nnx.List([self.make_attention(options, rngs) for _ in range(JOINED)])
        self.heads = nnx.List([self.make_head(options, rngs, maps) for maps in (1, 1, JOINED)])

    def answer(self, maps: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        """Returns the logits of the three heads, given the maps of both views of all scans."""
        maps = maps.reshape(-1, JOINED, *maps.shape[1:])
        attended = [
            maps[:, view] if attention is None else attention(maps[:, view])
            for view, attention in enumerate(self.attentions)
        ]
        logits = []
        for index, (head, features) in enumerate(zip(self.heads, (*attended, jnp.concatenate(attended, axis=1)))):
            own = None if key is None else jax.random.fold_in(key, index)
            logits.append(head(features, train=train, key=own))
        return jnp.stack(logits, axis=1)


class LinearClassifier(nnx.Module):
    """Maps what a frozen trunk made of a scan, averaged over the map, [N, 1, 1, C] or [N, V, 1, 1, C], to logits."""

    def __init__(self, channels: int, views: int):
        self.head = LinearHead(views * channels)

    def __call__(self, features: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        return self.head(features.reshape(len(features), -1))
