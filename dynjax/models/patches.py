"""The patch ensemble of Cheng et al. 2017: 27 half-overlapping patches, a 3D network for each, and one that joins them.

Layers, sizes and the two stages are those of their figure: the patch networks are trained by themselves first, and then
their last convolution and dense layers together with those that join them. The figure joins the best six patches, the
text all of them. ReLU, dropout before the last layer and a second stage after half of the epochs are choices made here.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from dynjax.models.layers import Conv3D, linear, torch_default
from dynjax.models.operations.max_pool import max_pool

WIDTHS = (15, 25, 50, 50)
FEATURES, JOINED = 40, 300
ALONG = 3  # patches along each axis


def patch_starts(size: int) -> tuple[int, tuple[int, ...]]:
    """The extent of a patch along an axis, half of it rounded up, and where the three begin: 81 -> 41, (0, 20, 40)."""
    extent = (size + 1) // 2
    return extent, tuple((size - extent) * index // (ALONG - 1) for index in range(ALONG))


def _conv(wide_in: int, wide: int, rngs: nnx.Rngs) -> Conv3D:
    default = torch_default(wide_in * 27)
    return Conv3D(wide_in, wide, padding=0, kernel_init=default, bias_init=default, rngs=rngs)


class PatchNetwork(nnx.Module):
    """A patch [N, x, y, z, 1] -> its features [N, 40] and logits of its own [N, 2].

    Convolutions of 15, 25, 50 and 50 channels, max-pools after the first three.
    """

    @staticmethod
    def map_size(extent: int) -> int:
        """The last map's extent for that of the patch."""
        for _ in WIDTHS[:-1]:
            extent = (extent - 2) // 2
        return extent - 2

    def __init__(self, extents: tuple[int, ...], *, rngs: nnx.Rngs):
        self.convs: nnx.List[Conv3D] = nnx.List([])
        wide_in = 1
        for wide in WIDTHS:
            self.convs.append(_conv(wide_in, wide, rngs))
            wide_in = wide
        x, y, z = map(self.map_size, extents)
        self.dense, self.alone = linear(x * y * z * wide_in, FEATURES, rngs=rngs), linear(FEATURES, 2, rngs=rngs)

    def __call__(self, x: jax.Array, is_frozen: jax.Array) -> tuple[jax.Array, jax.Array]:
        """is_frozen: whether no gradient reaches the first three convolutions."""
        *first, last = self.convs
        for layer in first:
            x = max_pool(nnx.relu(layer(x)))
        x = nnx.relu(last(jnp.where(is_frozen, jax.lax.stop_gradient(x), x)))
        features = nnx.relu(self.dense(x.reshape(len(x), -1)))
        return features, self.alone(features)


class Patches3D(nnx.Module):
    """Volumes [N, X, Y, Z, 1] -> logits [N, 2]; 27 patches of 50 x 41 x 40 at their 100 x 81 x 80.

    Until `join` is called it trains the patch networks, each by logits of its own, [N, 27, 2]; from then on their last
    convolution and what follows it, by the logits of the `n_patches` that answered best.
    """

    @staticmethod
    def map_size(size: int) -> int:
        """The last map's extent for that of the volume; below 1 where the volume is too small."""
        return PatchNetwork.map_size(patch_starts(size)[0])

    def __init__(self, size: tuple[int, ...], *, n_patches: int = ALONG**3, dropout: float, rngs: nnx.Rngs):
        extents, starts = zip(*map(patch_starts, size))
        self.corners = tuple(itertools.product(*starts))
        self.extents = extents
        keys = jax.random.split(rngs.params(), len(self.corners))
        self.networks = nnx.vmap(lambda key: PatchNetwork(extents, rngs=nnx.Rngs(key)))(keys)
        self.joined, self.last = linear(n_patches * FEATURES, JOINED, rngs=rngs), linear(JOINED, 2, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)
        self.chosen = nnx.BatchStat(jnp.arange(n_patches))
        self.is_joined = nnx.BatchStat(jnp.array(False))

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        features, alone = self._of_patches(x)
        y = nnx.relu(self.joined(features[:, self.chosen[...]].reshape(len(x), -1)))
        if not train:
            return self.last(y)
        assert key is not None, "training draws dropout from a key"
        together = self.last(self.dropout(y, deterministic=False, rngs=key))
        return jnp.where(self.is_joined[...], together[:, None], alone)

    def join(self, volumes: np.ndarray, labels: np.ndarray) -> None:
        """Chooses the patches whose networks have the lowest cross-entropy on volumes [N, X, Y, Z, 1]; labels [N]."""

        @nnx.jit
        def losses(module, volume, label):
            _, logits = module._of_patches(volume[None])
            return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.full(logits.shape[:2], label))[0]

        means = np.mean([losses(self, volume, label) for volume, label in zip(volumes, labels)], axis=0)
        self.chosen[...] = jnp.sort(jnp.argsort(means)[: len(self.chosen[...])])
        self.is_joined[...] = jnp.array(True)

    def _of_patches(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The features of all patches, [N, 27, 40], and the logits of each by itself, [N, 27, 2]."""
        patches = []
        for corner in self.corners:
            ends = [start + extent for start, extent in zip(corner, self.extents)]
            patches.append(jax.lax.slice(x, (0, *corner, 0), (len(x), *ends, 1)))
        graphdef, states = nnx.split(self.networks)

        def answer(state_and_patch):
            state, patch = state_and_patch
            return nnx.merge(graphdef, state)(patch, self.is_joined[...])

        features, alone = jax.lax.map(answer, (states, jnp.stack(patches)))
        return jnp.moveaxis(features, 0, 1), jnp.moveaxis(alone, 0, 1)
