"""The classifier on the flattened map, as in the paper (section 3.3) or as in the code that its authors released."""

import jax
from flax import nnx

from dynjax.models.layers import BatchNorm, linear

HEADS = ("paper", "released")


class Head(nnx.Module):
    """Maps features [N, H, W, C] to logits [N, 2] through two hidden layers, each followed by ReLU and dropout.

    'paper' has 512 and 64 units; 'released' has 2 C and C / 2, and BatchNorm before each ReLU. The released code also
    leaves dropout on in evaluation, a mistake that is not repeated here.
    """

    def __init__(self, size: int, channels: int, kind: str = "paper", *, dropout: float, rngs: nnx.Rngs):
        widths = (512, 64) if kind == "paper" else (2 * channels, channels // 2)
        self.layers = nnx.List([linear(a, b, rngs=rngs) for a, b in zip((size, *widths), (*widths, 2))])
        self.norms = nnx.List([BatchNorm(width) for width in widths] if kind == "released" else [])
        self.dropout = nnx.Dropout(dropout)

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        x = x.reshape(len(x), -1)
        for index, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            x = nnx.relu(self.norms[index](x, train=train) if self.norms else x)
            if train:
                assert key is not None, "training needs a key for dropout"
                x = self.dropout(x, deterministic=False, rngs=jax.random.fold_in(key, index))
        return self.layers[-1](x)
