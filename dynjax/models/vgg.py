"""VGG11 (Simonyan and Zisserman 2015), torchvision's `vgg11`, without its last max-pool and its classifier."""

import jax
from flax import nnx

from dynjax.models.layers import conv, kaiming_fan_out
from dynjax.models.operations.max_pool import max_pool

WIDTHS = (64, 128, 256, 256, 512, 512, 512, 512)
POOL_AFTER = (0, 1, 3, 5)  # torchvision pools after convolution 7 too; here the map stays 6 x 6 at 110 x 110


class VGG11(nnx.Module):
    """Maps images [N, H, W, 3] to features [N, H // 16, W // 16, 512]; it has 9,220,480 parameters.

    The cut 'released' omits the last ReLU, like the code that the paper's authors released.
    """

    features = 512

    @staticmethod
    def map_size(size: int) -> int:
        """Returns the feature map's height or width for an image of this height or width."""
        return size // 16

    def __init__(self, cut: str = "paper", *, rngs: nnx.Rngs):
        self.ends_in_relu = cut == "paper"
        self.convs = nnx.List([
            conv(channels_in, channels, 3, kernel_init=kaiming_fan_out, bias_init=nnx.initializers.zeros, rngs=rngs)
            for channels_in, channels in zip((3, *WIDTHS), WIDTHS)
        ])  # fmt: skip

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        for index, layer in enumerate(self.convs):
            x = layer(x)
            if index < len(self.convs) - 1 or self.ends_in_relu:
                x = nnx.relu(x)
            if index in POOL_AFTER:
                x = max_pool(x)
        return x
