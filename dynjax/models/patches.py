"""The patch ensemble of Cheng et al. 2017: a 3D network for each of 27 half-overlapping patches, and joining layers.

Layers, sizes and the two stages are those of their figure. The first stage trains each patch network by itself. The
second trains their last convolutions and dense layers together with the joining layers. The figure joins the best six
patches, the text all of them. ReLU, dropout before the last layer and a second stage after half of the epochs are
choices made here.
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
    """Returns the extent of a patch along an axis of `size` voxels and where its three patches start.

    The extent is half the size, rounded up: 81 gives 41, (0, 20, 40).
    """
    extent = (size + 1) // 2
    return extent, tuple((size - extent) * index // (ALONG - 1) for index in range(ALONG))


def _conv(channels_in: int, channels: int, rngs: nnx.Rngs) -> Conv3D:
    default = torch_default(channels_in * 27)
    return Conv3D(channels_in, channels, padding=0, kernel_init=default, bias_init=default, rngs=rngs)


class PatchNetwork(nnx.Module):
    """Maps a patch [N, x, y, z, 1] to features [N, 40] and to its own logits [N, 2].

    It has convolutions of 15, 25, 50 and 50 channels and max-pools after the first three.
    """

    @staticmethod
    def map_size(extent: int) -> int:
        """Returns the last map's extent for a patch of this extent."""
        for _ in WIDTHS[:-1]:
            extent = (extent - 2) // 2
        return extent - 2

    def __init__(self, extents: tuple[int, ...], *, rngs: nnx.Rngs):
        self.convs: nnx.List[Conv3D] = nnx.List([])
        channels_in = 1
        for channels in WIDTHS:
            self.convs.append(_conv(channels_in, channels, rngs))
            channels_in = channels
        x, y, z = map(self.map_size, extents)
        self.dense, self.alone = linear(x * y * z * channels_in, FEATURES, rngs=rngs), linear(FEATURES, 2, rngs=rngs)

    def __call__(self, x: jax.Array, is_frozen: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns features and logits; with `is_frozen` no gradient reaches the first three convolutions."""
        *first, last = self.convs
        for layer in first:
            x = max_pool(nnx.relu(layer(x)))
        x = nnx.relu(last(jnp.where(is_frozen, jax.lax.stop_gradient(x), x)))
        features = nnx.relu(self.dense(x.reshape(len(x), -1)))
        return features, self.alone(features)


class Patches3D(nnx.Module):
    """Maps volumes [N, X, Y, Z, 1] to logits [N, 2]; at the authors' 100 x 81 x 80 a patch has 50 x 41 x 40 voxels.

    Until `join` is called, training gives the patch networks' own logits [N, 27, 2]. After it, training gives the joint
    logits of the best `n_patches`, 27 times, and sends no gradient to the first three convolutions.
    """

    @staticmethod
    def map_size(size: int) -> int:
        """Returns the last map's extent for a volume of this extent; below 1 if the volume is too small."""
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
        chosen = features[:, self.chosen[...]]  # [N, n_patches, 40]
        y = nnx.relu(self.joined(chosen.reshape(len(x), -1)))
        if not train:
            return self.last(y)
        assert key is not None, "training needs a key for dropout"
        together = self.last(self.dropout(y, deterministic=False, rngs=key))  # [N, 2]
        return jnp.where(self.is_joined[...], together[:, None], alone)  # [N, 27, 2]

    def join(self, volumes: np.ndarray, labels: np.ndarray) -> None:
        """Begins the second stage with the patches whose networks have the lowest cross-entropy.

        Args: volumes [N, X, Y, Z, 1], the training set, and its labels [N].
        """

        @nnx.jit
        def losses(module, volume, label):
            _, logits = module._of_patches(volume[None])
            return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.full(logits.shape[:2], label))[0]

        means = np.mean([losses(self, volume, label) for volume, label in zip(volumes, labels)], axis=0)
        self.chosen[...] = jnp.sort(jnp.argsort(means)[: len(self.chosen[...])])
        self.is_joined[...] = jnp.array(True)

    def _of_patches(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the features of all patches [N, 27, 40] and each patch's own logits [N, 27, 2]."""
        patches = []
        for corner in self.corners:
            ends = [start + extent for start, extent in zip(corner, self.extents)]
            patches.append(jax.lax.slice(x, (0, *corner, 0), (len(x), *ends, 1)))
        graphdef, states = nnx.split(self.networks)

        def answer(state_and_patch):
            state, patch = state_and_patch
            return nnx.merge(graphdef, state)(patch, self.is_joined[...])

        # A loop over the patch networks, so that XLA compiles one of them and not 27.
        features, alone = jax.lax.map(answer, (states, jnp.stack(patches)))
        return jnp.moveaxis(features, 0, 1), jnp.moveaxis(alone, 0, 1)
