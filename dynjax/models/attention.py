"""The paper's attention: a mask over the map, learned by four 1x1 convolutions (section 3.3, figure 3)."""

import jax
import jax.numpy as jnp
from flax import nnx

from dynjax.models.layers import conv

WIDTHS = (512, 256, 64, 1)

# Over which axes of [N, H, W, 1] the mask sums to 1: 'map' as the paper draws it; 'rows' as in the code that its
# authors released, where a softmax over H alone makes every column sum to 1 by itself.
SOFTMAX_AXES = {"map": (1, 2), "rows": (1,)}


class MapAttention(nnx.Module):
    """Features [N, H, W, C] times a mask [N, H, W, 1]; `kind` is one of SOFTMAX_AXES."""

    def __init__(self, features: int, kind: str = "map", *, rngs: nnx.Rngs):
        self.axes = SOFTMAX_AXES[kind]
        self.convs = nnx.List([conv(wide_in, wide, 1, rngs=rngs) for wide_in, wide in zip((features, *WIDTHS), WIDTHS)])

    def __call__(self, x: jax.Array) -> jax.Array:
        score = x
        for layer in self.convs[:-1]:
            score = nnx.relu(layer(score))
        mask = jax.nn.softmax(self.convs[-1](score).astype(jnp.float32), axis=self.axes)
        return x * mask.astype(x.dtype)
