"""ShuffleNetV2 x1.0 (Ma et al. 2018), torchvision's `shufflenet_v2_x1_0`, without its max-pool and its classifier."""

import jax
import jax.numpy as jnp
from flax import nnx

from dynjax.models.layers import BatchNorm, conv, depthwise, torch_default

STAGES = ((4, 116), (8, 232), (4, 464))  # units, channels; the first unit of each halves the map


class ShuffleUnit(nnx.Module):
    """Passes half of the channels through three convolutions, keeps the other half and interleaves the two.

    A unit that halves the map passes the whole input through both branches instead.
    """

    def __init__(self, channels_in: int, channels: int, *, stride: int, rngs: nnx.Rngs):
        half = channels // 2
        branch_in = channels_in if stride == 2 else half
        self.expand, self.expand_norm = _pointwise(branch_in, half, rngs), BatchNorm(half)
        self.depthwise, self.depthwise_norm = _depthwise(half, stride, rngs), BatchNorm(half)
        self.project, self.project_norm = _pointwise(half, half, rngs), BatchNorm(half)
        self.other = OtherBranch(channels_in, half, rngs=rngs) if stride == 2 else None

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if self.other is not None:
            kept = self.other(x, train=train)
        else:
            kept, x = jnp.split(x, 2, axis=-1)
        x = nnx.relu(self.expand_norm(self.expand(x), train=train))
        x = self.depthwise_norm(self.depthwise(x), train=train)
        x = nnx.relu(self.project_norm(self.project(x), train=train))
        return jnp.stack([kept, x], axis=-1).reshape(*x.shape[:-1], -1)  # interleaved: the channel shuffle


class OtherBranch(nnx.Module):
    """The second branch of a unit that halves the map: a depthwise and a pointwise convolution."""

    def __init__(self, channels_in: int, half: int, *, rngs: nnx.Rngs):
        self.depthwise, self.depthwise_norm = _depthwise(channels_in, 2, rngs), BatchNorm(channels_in)
        self.project, self.project_norm = _pointwise(channels_in, half, rngs), BatchNorm(half)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = self.depthwise_norm(self.depthwise(x), train=train)
        return nnx.relu(self.project_norm(self.project(x), train=train))


class ShuffleNetV2(nnx.Module):
    """Maps images [N, H, W, 3] to features [N, ceil(H / 16), ceil(W / 16), 1024]; it has 1,253,604 parameters."""

    features = 1024

    @staticmethod
    def map_size(size: int) -> int:
        """Returns the feature map's height or width for an image of this height or width."""
        return -(-size // 16)

    def __init__(self, *, rngs: nnx.Rngs):
        self.conv, self.norm = conv(3, 24, 3, stride=2, bias=False, rngs=rngs), BatchNorm(24)
        self.units: nnx.List[ShuffleUnit] = nnx.List([])
        channels_in = 24
        for repeats, channels in STAGES:
            for index in range(repeats):
                self.units.append(ShuffleUnit(channels_in, channels, stride=1 if index else 2, rngs=rngs))
                channels_in = channels
        self.last, self.last_norm = _pointwise(channels_in, self.features, rngs), BatchNorm(self.features)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nnx.relu(self.norm(self.conv(x), train=train))
        for unit in self.units:
            x = unit(x, train=train)
        return nnx.relu(self.last_norm(self.last(x), train=train))


def _pointwise(channels_in: int, channels: int, rngs: nnx.Rngs) -> nnx.Conv:
    return conv(channels_in, channels, 1, bias=False, rngs=rngs)


def _depthwise(channels: int, stride: int, rngs: nnx.Rngs) -> nnx.Conv:
    return depthwise(channels, stride=stride, kernel_init=torch_default(9), rngs=rngs)
