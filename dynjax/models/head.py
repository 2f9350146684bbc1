"""The paper's classifier: three fully connected layers on the flattened map (section 3.3)."""

import jax
from flax import nnx

from dynjax.models.layers import linear


class Head(nnx.Module):
    """Features [N, H, W, C] -> logits [N, 2] through 512 and 64 units, each followed by ReLU and dropout."""

    def __init__(self, features: int, *, dropout: float, rngs: nnx.Rngs):
        self.layers = nnx.List([linear(a, b, rngs=rngs) for a, b in ((features, 512), (512, 64), (64, 2))])
        self.dropout = nnx.Dropout(dropout)

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        x = x.reshape(len(x), -1)
        for index, layer in enumerate(self.layers[:-1]):
            x = nnx.relu(layer(x))
            if train:
                assert key is not None, "training draws dropout from a key"
                x = self.dropout(x, deterministic=False, rngs=jax.random.fold_in(key, index))
        return self.layers[-1](x)
