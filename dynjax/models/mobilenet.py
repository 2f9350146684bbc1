"""MobileNetV1 (Howard et al. 2017) and MobileNetV2 (Sandler et al. 2018), without their classifiers."""

import math

import jax
from flax import nnx

from dynjax.models.layers import BatchNorm, conv, depthwise, kaiming_fan_out

# MobileNetV1: channels out and stride of each block; its stages in timm's names begin where the channels change.
V1_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))

# MobileNetV2: expansion, channels out, blocks, stride of the first of them (the paper's Table 2).
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
    """Filter each channel, then mix them."""

    def __init__(self, wide_in: int, wide_out: int, *, stride: int, rngs: nnx.Rngs):
        kernel_init = nnx.initializers.normal(math.sqrt(2 / 9))  # timm's, by the fan-out of one group
        self.depthwise = ConvNorm(depthwise(wide_in, stride=stride, kernel_init=kernel_init, rngs=rngs))
        self.pointwise = ConvNorm(_pointwise(wide_in, wide_out, rngs))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return self.pointwise(self.depthwise(x, train=train), train=train)


class MobileNetV1(nnx.Module):
    """Images [N, H, W, 3] -> features [N, ceil(H / 32), ceil(W / 32), 1024]; 3,206,976 parameters.

    timm's `mobilenetv1_100`, padded as torch pads; torchvision has none.
    """

    features = 1024

    @staticmethod
    def map_size(size: int) -> int:
        """The feature map's height or width for that of the image."""
        return -(-size // 32)

    def __init__(self, *, rngs: nnx.Rngs):
        self.stem = ConvNorm(conv(3, 32, 3, stride=2, bias=False, kernel_init=kaiming_fan_out, rngs=rngs))
        self.blocks: nnx.List[SeparableBlock] = nnx.List([])
        wide_in = 32
        for wide, stride in V1_BLOCKS:
            self.blocks.append(SeparableBlock(wide_in, wide, stride=stride, rngs=rngs))
            wide_in = wide

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = self.stem(x, train=train)
        for block in self.blocks:
            x = block(x, train=train)
        return x


class InvertedResidual(nnx.Module):
    """Expand, filter each channel, project; added to its input where the shapes agree."""

    def __init__(self, wide_in: int, wide_out: int, *, stride: int, expansion: int, rngs: nnx.Rngs):
        wide = wide_in * expansion
        self.expand = ConvNorm(_pointwise(wide_in, wide, rngs)) if expansion > 1 else None
        # torch counts the fan-out over all output channels of the grouped weight (C, 1, 3, 3)
        kernel_init = nnx.initializers.normal(math.sqrt(2 / (wide * 9)))
        self.depthwise = ConvNorm(depthwise(wide, stride=stride, kernel_init=kernel_init, rngs=rngs))
        self.project = ConvNorm(_pointwise(wide, wide_out, rngs), activate=False)
        self.residual = stride == 1 and wide_in == wide_out

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = self.expand(x, train=train) if self.expand else x
        y = self.project(self.depthwise(y, train=train), train=train)
        return x + y if self.residual else y


class MobileNetV2(nnx.Module):
    """Images [N, H, W, 3] -> features [N, ceil(H / 32), ceil(W / 32), 1280]; 2,223,872 parameters."""

    features = 1280

    @staticmethod
    def map_size(size: int) -> int:
        """The feature map's height or width for that of the image."""
        return -(-size // 32)

    def __init__(self, *, rngs: nnx.Rngs):
        self.stem = ConvNorm(conv(3, 32, 3, stride=2, bias=False, kernel_init=kaiming_fan_out, rngs=rngs))
        self.blocks: nnx.List[InvertedResidual] = nnx.List([])
        wide_in = 32
        for expansion, wide, repeats, first_stride in STAGES:
            for index in range(repeats):
                stride = first_stride if index == 0 else 1
                self.blocks.append(InvertedResidual(wide_in, wide, stride=stride, expansion=expansion, rngs=rngs))
                wide_in = wide
        self.last = ConvNorm(_pointwise(wide_in, self.features, rngs))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = self.stem(x, train=train)
        for block in self.blocks:
            x = block(x, train=train)
        return self.last(x, train=train)


def _pointwise(wide_in: int, wide_out: int, rngs: nnx.Rngs) -> nnx.Conv:
    return conv(wide_in, wide_out, 1, bias=False, kernel_init=kaiming_fan_out, rngs=rngs)
