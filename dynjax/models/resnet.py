"""ResNet18 (He et al. 2016), torchvision's `resnet18`, without its max-pool and its classifier."""

import jax
from flax import nnx

from dynjax.models.layers import BatchNorm, conv, kaiming_fan_out

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels, stride of the first of two blocks


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions and a shortcut: the input, or a 1x1 convolution of it where the shape changes."""

    def __init__(self, channels_in: int, channels: int, *, stride: int, rngs: nnx.Rngs):
        self.conv1, self.norm1 = _conv(channels_in, channels, 3, stride, rngs), BatchNorm(channels)
        self.conv2, self.norm2 = _conv(channels, channels, 3, 1, rngs), BatchNorm(channels)
        changes = stride != 1 or channels_in != channels
        self.shortcut = _conv(channels_in, channels, 1, stride, rngs) if changes else None
        self.shortcut_norm = BatchNorm(channels) if changes else None

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = nnx.relu(self.norm1(self.conv1(x), train=train))
        y = self.norm2(self.conv2(y), train=train)
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x), train=train)
        return nnx.relu(x + y)


class ResNet18(nnx.Module):
    """Maps images [N, H, W, 3] to features [N, ceil(H / 16), ceil(W / 16), 512]; it has 11,176,512 parameters."""

    features = 512

    @staticmethod
    def map_size(size: int) -> int:
        """Returns the feature map's height or width for an image of this height or width."""
        return -(-size // 16)

    def __init__(self, *, rngs: nnx.Rngs):
        self.conv, self.norm = _conv(3, 64, 7, 2, rngs), BatchNorm(64)
        self.blocks: nnx.List[BasicBlock] = nnx.List([])
        channels_in = 64
        for channels, stride in STAGES:
            self.blocks.append(BasicBlock(channels_in, channels, stride=stride, rngs=rngs))
            self.blocks.append(BasicBlock(channels, channels, stride=1, rngs=rngs))
            channels_in = channels

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nnx.relu(self.norm(self.conv(x), train=train))
        for block in self.blocks:
            x = block(x, train=train)
        return x


def _conv(channels_in: int, channels: int, size: int, stride: int, rngs: nnx.Rngs) -> nnx.Conv:
    return conv(channels_in, channels, size, stride=stride, bias=False, kernel_init=kaiming_fan_out, rngs=rngs)
