"""The paper's attention: a mask over the map, learned by four 1x1 convolutions (section 3.3, figure 3)."""

import jax
import jax.numpy as jnp
from flax import nnx

from dynjax.models.layers import conv

WIDTHS = (512, 256, 64, 1)

# The axes of [N, H, W, 1] over which the mask sums to 1. 'map' is as the paper draws it. 'rows' is as in the code that
# its authors released, where the softmax runs over H only, so each column sums to 1.
SOFTMAX_AXES = {"map": (1, 2), "rows": (1,)}


class MapAttention(nnx.Module):
    """Multiplies features [N, H, W, C] by a mask [N, H, W, 1] computed from them; `kind` is a key of SOFTMAX_AXES."""

    def __init__(self, features: int, kind: str = "map", *, rngs: nnx.Rngs):
        self.axes = SOFTMAX_AXES[kind]
        self.convs = nnx.List(
            [conv(channels_in, channels, 1, rngs=rngs) for channels_in, channels in zip((features, *WIDTHS), WIDTHS)]
        )

    def mask(self, x: jax.Array) -> jax.Array:
        """Returns the mask [N, H, W, 1] of features, float32."""
        score = x
        for layer in self.convs[:-1]:
            score = nnx.relu(layer(score))
        # Softmax in float32: sums in bfloat16 are too coarse.
        return jax.nn.softmax(self.convs[-1](score).astype(jnp.float32), axis=self.axes)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x * self.mask(x).astype(x.dtype)


class AttentionMask(nnx.Module):
    """Maps features [N, H, W, C] to the mask [N, H, W, 1] by which an attention multiplies them."""

    def __init__(self, features: int, kind: str, *, rngs: nnx.Rngs):
        self.attention = MapAttention(features, kind, rngs=rngs)

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        return self.attention.mask(x)
