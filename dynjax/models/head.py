"""The classifier on the flattened map: the paper's (section 3.3), or that of the code that its authors released."""

import jax
from flax import nnx

from dynjax.models.layers import BatchNorm, linear

HEADS = ("paper", "released")


class Head(nnx.Module):
    """Features [N, H, W, C] -> logits [N, 2] through two wide layers, each followed by ReLU and dropout.

    'paper' has 512 and 64 units, 'released' 2 C and C / 2 with BatchNorm before each ReLU. (The released code leaves
    dropout on when it evaluates, which is a mistake and is not repeated here.)
    """

    def __init__(self, size: int, channels: int, kind: str = "paper", *, dropout: float, rngs: nnx.Rngs):
        wide = (512, 64) if kind == "paper" else (2 * channels, channels // 2)
        self.layers = nnx.List([linear(a, b, rngs=rngs) for a, b in zip((size, *wide), (*wide, 2))])
        self.norms = nnx.List([BatchNorm(width) for width in wide] if kind == "released" else [])
        self.dropout = nnx.Dropout(dropout)

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        x = x.reshape(len(x), -1)
        for index, layer in enumerate(self.layers[:-1]):
            x = layer(x)
            x = nnx.relu(self.norms[index](x, train=train) if self.norms else x)
            if train:
                assert key is not None, "training draws dropout from a key"
                x = self.dropout(x, deterministic=False, rngs=jax.random.fold_in(key, index))
        return self.layers[-1](x)
