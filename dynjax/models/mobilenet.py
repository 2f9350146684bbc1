"""MobileNetV1 (Howard et al. 2017) and MobileNetV2 (Sandler et al. 2018), without their classifiers."""

import math

import jax
from flax import nnx

from dynjax.models.layers import BatchNorm, conv, depthwise, kaiming_fan_out

# MobileNetV1: output channels and stride of each block; in timm's names a new stage begins where the channels change.
V1_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))

# MobileNetV2: expansion, output channels, number of blocks, stride of the first block (Table 2 of Sandler et al.).
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class ConvNorm(nnx.Module):
    """A convolution without bias, its BatchNorm and, except in a block's projection, ReLU6."""

    def __init__(self, layer: nnx.Conv, *, activate: bool = True):
        self.conv = layer
        self.norm = BatchNorm(layer.out_features)
        self.activate = activate

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = self.norm(self.conv(x), train=train)
        return nnx.relu6(x) if self.activate else x


class SeparableBlock(nnx.Module):
    """A depthwise convolution that filters each channel, then a pointwise one that mixes them."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int, rngs: nnx.Rngs):
        kernel_init = nnx.initializers.normal(math.sqrt(2 / 9))  # timm counts the fan-out of one group
        self.depthwise = ConvNorm(depthwise(channels_in, stride=stride, kernel_init=kernel_init, rngs=rngs))
        self.pointwise = ConvNorm(_pointwise(channels_in, channels_out, rngs))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return self.pointwise(self.depthwise(x, train=train), train=train)


class MobileNetV1(nnx.Module):
    """Maps images [N, H, W, 3] to features [N, ceil(H / 32), ceil(W / 32), 1024]; it has 3,206,976 parameters.

    This is timm's `mobilenetv1_100`, with torch's padding; torchvision has no MobileNetV1.
    """

    features = 1024

    @staticmethod
    def map_size(size: int) -> int:
        """Returns the feature map's height or width for an image of this height or width."""
        return -(-size // 32)

    def __init__(self, *, rngs: nnx.Rngs):
        self.stem = ConvNorm(conv(3, 32, 3, stride=2, bias=False, kernel_init=kaiming_fan_out, rngs=rngs))
        self.blocks: nnx.List[SeparableBlock] = nnx.List([])
        channels_in = 32
        for channels, stride in V1_BLOCKS:
            self.blocks.append(SeparableBlock(channels_in, channels, stride=stride, rngs=rngs))
            channels_in = channels

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = self.stem(x, train=train)
        for block in self.blocks:
            x = block(x, train=train)
        return x


class InvertedResidual(nnx.Module):
    """Expands the channels, filters each and projects them; adds the input where the shapes agree."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int, expansion: int, rngs: nnx.Rngs):
        channels = channels_in * expansion
        self.expand = ConvNorm(_pointwise(channels_in, channels, rngs)) if expansion > 1 else None
        # torch counts the fan-out over all output channels of the grouped weight (C, 1, 3, 3).
        kernel_init = nnx.initializers.normal(math.sqrt(2 / (channels * 9)))
        self.depthwise = ConvNorm(depthwise(channels, stride=stride, kernel_init=kernel_init, rngs=rngs))
        self.project = ConvNorm(_pointwise(channels, channels_out, rngs), activate=False)
        self.residual = stride == 1 and channels_in == channels_out

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = self.expand(x, train=train) if self.expand else x
        y = self.project(self.depthwise(y, train=train), train=train)
        return x + y if self.residual else y


class MobileNetV2(nnx.Module):
    """Maps images [N, H, W, 3] to features [N, ceil(H / 32), ceil(W / 32), 1280]; it has 2,223,872 parameters."""

    features = 1280

    @staticmethod
    def map_size(size: int) -> int:
        """Returns the feature map's height or width for an image of this height or width."""
        return -(-size // 32)

    def __init__(self, *, rngs: nnx.Rngs):
        self.stem = ConvNorm(conv(3, 32, 3, stride=2, bias=False, kernel_init=kaiming_fan_out, rngs=rngs))
        self.blocks: nnx.List[InvertedResidual] = nnx.List([])
        channels_in = 32
        for expansion, channels, repeats, first_stride in STAGES:
            for index in range(repeats):
                stride = first_stride if index == 0 else 1
                self.blocks.append(
                    InvertedResidual(channels_in, channels, stride=stride, expansion=expansion, rngs=rngs)
                )
                channels_in = channels
        self.last = ConvNorm(_pointwise(channels_in, self.features, rngs))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = self.stem(x, train=train)
        for block in self.blocks:
            x = block(x, train=train)
        return self.last(x, train=train)


def _pointwise(channels_in: int, channels_out: int, rngs: nnx.Rngs) -> nnx.Conv:
    return conv(channels_in, channels_out, 1, bias=False, kernel_init=kaiming_fan_out, rngs=rngs)
