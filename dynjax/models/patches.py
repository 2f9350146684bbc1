"""The patch ensemble of Cheng et al. 2017: 27 half-overlapping patches, a 3D network for each, and one that joins them.

Layers and sizes are those of their figure; ReLU, dropout before the last layer and training all parts together from the
start, where they train the patches first, are choices made here.
"""

import itertools

import jax
import jax.numpy as jnp
from flax import nnx

from dynjax.models.layers import linear, torch_default

WIDTHS = (15, 25, 50, 50)
FEATURES, JOINED = 40, 300
ALONG = 3  # patches along each axis


def patch_starts(size: int) -> tuple[int, tuple[int, ...]]:
    """The extent of a patch along an axis, half of it rounded up, and where the three begin: 81 -> 41, (0, 20, 40)."""
    extent = (size + 1) // 2
    return extent, tuple((size - extent) * index // (ALONG - 1) for index in range(ALONG))


class PatchNetwork(nnx.Module):
    """A patch [N, x, y, z, 1] -> [N, 40]: convolutions of 15, 25, 50, 50 channels, max-pools after the first three."""

    @staticmethod
    def map_size(extent: int) -> int:
        """The last map's extent for that of the patch."""
        for _ in WIDTHS[:-1]:
            extent = (extent - 2) // 2
        return extent - 2

    def __init__(self, extents: tuple[int, ...], *, rngs: nnx.Rngs):
        self.convs: nnx.List[nnx.Conv] = nnx.List([])
        wide_in = 1
        for wide in WIDTHS:
            default = torch_default(wide_in * 27)
            self.convs.append(
                nnx.Conv(wide_in, wide, (3, 3, 3), padding="VALID", kernel_init=default, bias_init=default, rngs=rngs)
            )
            wide_in = wide
        x, y, z = map(self.map_size, extents)
        self.dense = linear(x * y * z * wide_in, FEATURES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for index, layer in enumerate(self.convs):
            x = nnx.relu(layer(x))
            if index < len(self.convs) - 1:
                x = nnx.max_pool(x, (2, 2, 2), strides=(2, 2, 2))
        return nnx.relu(self.dense(x.reshape(len(x), -1)))


class Patches3D(nnx.Module):
    """Volumes [N, X, Y, Z, 1] -> logits [N, 2]; 27 patches of 50 x 41 x 40 at their 100 x 81 x 80."""

    @staticmethod
    def map_size(size: int) -> int:
        """The last map's extent for that of the volume; below 1 where the volume is too small."""
        return PatchNetwork.map_size(patch_starts(size)[0])

    def __init__(self, size: tuple[int, ...], *, dropout: float, rngs: nnx.Rngs):
        extents, starts = zip(*map(patch_starts, size))
        self.corners = tuple(itertools.product(*starts))
        self.extents = extents
        self.networks = nnx.List([PatchNetwork(extents, rngs=rngs) for _ in self.corners])
        self.joined, self.last = linear(len(self.corners) * FEATURES, JOINED, rngs=rngs), linear(JOINED, 2, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        features = []
        for network, corner in zip(self.networks, self.corners):
            ends = [start + extent for start, extent in zip(corner, self.extents)]
            features.append(network(jax.lax.slice(x, (0, *corner, 0), (len(x), *ends, 1))))
        x = nnx.relu(self.joined(jnp.concatenate(features, axis=-1)))
        if train:
            assert key is not None, "training draws dropout from a key"
            x = self.dropout(x, deterministic=False, rngs=key)
        return self.last(x)
