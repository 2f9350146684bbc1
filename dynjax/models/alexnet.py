"""AlexNet as in Krizhevsky 2014 and torchvision's `alexnet`, without its last max-pool and its classifier."""

import jax
from flax import nnx

from dynjax.models.layers import conv
from dynjax.models.operations.max_pool import max_pool

# Channels, kernel, stride and padding of the five convolutions.
CONVS = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
POOL_AFTER = (0, 1)  # 3x3 with stride 2; torchvision pools after the last convolution too


class AlexNet(nnx.Module):
    """Maps images [N, H, W, 3] to features [N, h, w, 256], 5 x 5 at 110 x 110; it has 2,469,696 parameters.

    The cut 'released' ends after the fourth convolution, before its ReLU, like the code that the authors released.
    """

    features = 256

    @staticmethod
    def map_size(size: int) -> int:
        """Returns the feature map's height or width for an image of this height or width."""
        size = (size + 4 - 11) // 4 + 1
        for _ in POOL_AFTER:
            size = (size - 3) // 2 + 1
        return size

    def __init__(self, cut: str = "paper", *, rngs: nnx.Rngs):
        self.convs: nnx.List[nnx.Conv] = nnx.List([])
        self.ends_in_relu = cut == "paper"
        channels_in = 3
        for channels, size, stride, padding in CONVS if cut == "paper" else CONVS[:4]:
            self.convs.append(conv(channels_in, channels, size, stride=stride, padding=padding, rngs=rngs))
            channels_in = channels

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        for index, layer in enumerate(self.convs):
            x = layer(x)
            if index < len(self.convs) - 1 or self.ends_in_relu:
                x = nnx.relu(x)
            if index in POOL_AFTER:
                x = max_pool(x, 3, 2)
        return x
