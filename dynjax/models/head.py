"""The classifiers on a trunk's map: the paper's, the released code's, one dense layer, and a solved linear one."""

import jax
import jax.numpy as jnp
from flax import nnx

from dynjax.models.layers import BatchNorm, linear

HIDDEN = ("paper", "released")  # heads with hidden layers, on the flattened map
LINEAR = "linear"
JOINT = "joint"
POOLED = "pooled"
HEADS = (*HIDDEN, POOLED, JOINT, LINEAR)


class Head(nnx.Module):
    """Maps features [N, H, W, C] to logits [N, 2] through two hidden layers, each followed by ReLU and dropout.

    'paper' (section 3.3) has 512 and 64 units; 'released' has 2 C and C / 2, and BatchNorm before each ReLU. The
    released code also leaves dropout on in evaluation, a mistake that is not repeated here.
    """

    def __init__(self, size: int, channels: int, kind: str = "paper", *, dropout: float, rngs: nnx.Rngs):
        widths = (2 * channels, channels // 2) if kind == "released" else (512, 64)
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


class PooledHead(nnx.Module):
    """Maps features [N, H, W, C] to logits [N, 2] by one dense layer on their mean over the map, after dropout."""

    def __init__(self, channels: int, *, dropout: float, rngs: nnx.Rngs):
        self.layer = linear(channels, 2, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)

    def __call__(self, x: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        x = x.mean((1, 2))
        if train:
            assert key is not None, "training needs a key for dropout"
            x = self.dropout(x, deterministic=False, rngs=key)
        return self.layer(x)


class LinearHead(nnx.Module):
    """Maps features [N, D] to logits [N, 2] of a linear model that is solved, not trained; the negative class has 0.

    It standardises by `mean` and `scale`, which stand among the batch statistics.
    """

    def __init__(self, size: int):
        self.mean = nnx.BatchStat(jnp.zeros(size))
        self.scale = nnx.BatchStat(jnp.ones(size))
        self.weights = nnx.Param(jnp.zeros(size))
        self.intercept = nnx.Param(jnp.zeros(()))

    def __call__(self, x: jax.Array) -> jax.Array:
        mean, scale = (stat[...].reshape(1, -1) for stat in (self.mean, self.scale))
        logit = jnp.matmul((x - mean) * scale, self.weights[...], precision=jax.lax.Precision.HIGHEST)
        logit = logit + self.intercept[...]
        return jnp.stack([jnp.zeros_like(logit), logit], axis=-1)
