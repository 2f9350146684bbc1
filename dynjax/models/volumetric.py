"""The 3D networks of Korolev et al. 2017, with which the paper compares its own.

Layers, initial values and BatchNorm's epsilon are those of their Lasagne code. The running average is that of the
variance, as in torch; Lasagne averages the inverse standard deviation.
"""

import jax
from flax import nnx

from dynjax.models.layers import BatchNorm, Conv3D
from dynjax.models.operations.max_pool import max_pool

EPSILON = 1e-4  # of Lasagne's BatchNorm
glorot = nnx.initializers.glorot_uniform()


def _conv(channels_in: int, channels: int, rngs: nnx.Rngs, *, stride: int = 1, padding: int = 1) -> Conv3D:
    return Conv3D(channels_in, channels, stride=stride, padding=padding, kernel_init=glorot, rngs=rngs)


def _linear(features_in: int, features_out: int, rngs: nnx.Rngs) -> nnx.Linear:
    return nnx.Linear(features_in, features_out, kernel_init=glorot, rngs=rngs)


class VGG3D(nnx.Module):
    """3D-VGG, Korolev's VoxCNN, maps volumes [N, X, Y, Z, 1] to logits [N, 2].

    It has 375,210 parameters at 110 x 110 x 110. Its convolutions have 8, 8 | 16, 16 | 32, 32, 32 | 64, 64, 64 channels
    and no padding; each group is followed by a max-pool.
    """

    GROUPS = ((8, 8), (16, 16), (32, 32, 32), (64, 64, 64))
    MAP_PLACES = (45.5, 8)  # voxels from the first to the centre of the first cell of `maps`, and from cell to cell
    EARLY_PLACES = (19.5, 4)  # the same of `early_maps`

    @classmethod
    def map_size(cls, size: int) -> int:
        """Returns the last map's extent for a volume of this extent; below 1 if the volume is too small."""
        for group in cls.GROUPS:
            size = (size - 2 * len(group)) // 2
        return size

    def __init__(self, size: tuple[int, ...], *, dropout: float, rngs: nnx.Rngs):
        channels_in = 1
        self.groups: nnx.List[nnx.List[Conv3D]] = nnx.List([])
        for group in self.GROUPS:
            layers = []
            for channels in group:
                layers.append(_conv(channels_in, channels, rngs, padding=0))
                channels_in = channels
            self.groups.append(nnx.List(layers))
        x, y, z = map(self.map_size, size)
        self.dense1, self.norm = _linear(x * y * z * channels_in, 128, rngs), BatchNorm(128, EPSILON)
        self.dense2, self.dense3 = _linear(128, 64, rngs), _linear(64, 2, rngs)
        self.dropout = nnx.Dropout(dropout)

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        return self.answer(self.maps(x, train=train), train=train, key=key)

    def maps(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns what the last convolution gives, before its ReLU: the layer of Yang et al. 2018."""
        x = max_pool(self.early_maps(x, train=train))
        for layer in self.groups[-1]:
            x = layer(x)
            if layer is not self.groups[-1][-1]:
                x = nnx.relu(x)
        return x

    def early_maps(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns what the third group gives, after its last ReLU."""
        early = list(self.groups)[:-1]
        for group in early:
            for layer in group:
                x = nnx.relu(layer(x))
            if group is not early[-1]:
                x = max_pool(x)
        return x

    def answer(self, maps: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        """Returns logits, given `maps`."""
        x = max_pool(nnx.relu(maps))
        x = self.norm(nnx.relu(self.dense1(x.reshape(len(x), -1))), train=train)
        if train:
            assert key is not None, "training needs a key for dropout"
            x = self.dropout(x, deterministic=False, rngs=key)
        return self.dense3(nnx.relu(self.dense2(x)))


class VoxRes(nnx.Module):
    """A residual block: x + conv(ReLU(BN(conv(ReLU(BN(x))))))."""

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        self.norm1, self.conv1 = BatchNorm(channels, EPSILON), _conv(channels, channels, rngs)
        self.norm2, self.conv2 = BatchNorm(channels, EPSILON), _conv(channels, channels, rngs)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = self.conv1(nnx.relu(self.norm1(x, train=train)))
        return x + self.conv2(nnx.relu(self.norm2(y, train=train)))


class ResNet3D(nnx.Module):
    """3D-ResNet, Korolev's VoxResNet, maps volumes [N, X, Y, Z, 1] to logits [N, 2].

    It has 3,205,026 parameters at 110 x 110 x 110 and no dropout.
    """

    STRIDED = ((32, 64), (64, 64), (64, 128))  # input and output channels of the convolutions that halve the map
    MAP_PLACES, EARLY_PLACES = (0.0, 8), (0.0, 2)  # as of VGG3D

    @staticmethod
    def map_size(size: int) -> int:
        """Returns the last map's extent for a volume of this extent; below 1 if the volume is too small."""
        for _ in range(3):
            size = -(-size // 2)
        return size // 7

    def __init__(self, size: tuple[int, ...], *, dropout: float, rngs: nnx.Rngs):
        self.conv1, self.conv2 = _conv(1, 32, rngs), _conv(32, 32, rngs)
        self.strided = nnx.List(
            [_conv(channels_in, channels, rngs, stride=2) for channels_in, channels in self.STRIDED]
        )
        self.norm1 = BatchNorm(32, EPSILON)
        self.norms = nnx.List([BatchNorm(channels_in, EPSILON) for channels_in, _ in self.STRIDED])
        self.blocks: nnx.List[VoxRes] = nnx.List([])
        for _, channels in self.STRIDED:
            self.blocks.append(VoxRes(channels, rngs=rngs))
            self.blocks.append(VoxRes(channels, rngs=rngs))
        x, y, z = map(self.map_size, size)
        self.dense1, self.dense2 = _linear(x * y * z * 128, 128, rngs), _linear(128, 2, rngs)

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        return self.answer(self.maps(x, train=train), train=train, key=key)

    def maps(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns what the last residual block gives: the layer of Yang et al. 2018."""
        x = self._stage(1, self.early_maps(x, train=train), train)
        return self._stage(2, nnx.relu(self.norms[2](x, train=train)), train)

    def early_maps(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns what BatchNorm and ReLU make of the second residual block, at which Yang et al. 2018 cut for CAM."""
        x = self.conv2(nnx.relu(self.norm1(self.conv1(x), train=train)))
        x = self._stage(0, nnx.relu(self.norms[0](x, train=train)), train)
        return nnx.relu(self.norms[1](x, train=train))

    def _stage(self, stage: int, x: jax.Array, train: bool) -> jax.Array:
        """Halves normalised maps and passes them through the two blocks of a stage."""
        x = self.strided[stage](x)
        for block in self.blocks[2 * stage : 2 * stage + 2]:
            x = block(x, train=train)
        return x

    def answer(self, maps: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        """Returns logits, given `maps`."""
        x = nnx.max_pool(maps, (7, 7, 7), strides=(7, 7, 7))
        return self.dense2(nnx.relu(self.dense1(x.reshape(len(x), -1))))
