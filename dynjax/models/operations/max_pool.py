"""Max-pooling: of shifted slices on a CPU, where XLA's own has a slow gradient."""

import functools
import itertools

import jax
import jax.numpy as jnp
from flax import nnx


def max_pool(x: jax.Array, size: int = 2, stride: int = 2) -> jax.Array:
    """The maximum over squares or cubes of x [N, ..., C]; what does not fill one is left out, as torch's MaxPool does.

    Equal values share the gradient on a CPU, elsewhere the first takes it; the platform is chosen when it is lowered.
    """
    spatial = x.ndim - 2

    def of_shifts(x):
        ends = [(extent - size) // stride * stride + 1 for extent in x.shape[1:-1]]
        shifts = itertools.product(range(size), repeat=spatial)
        return functools.reduce(
            jnp.maximum, [x[:, *(slice(i, i + end, stride) for i, end in zip(shift, ends))] for shift in shifts]
        )

    return jax.lax.platform_dependent(
        x, cpu=of_shifts, default=lambda x: nnx.max_pool(x, (size,) * spatial, strides=(stride,) * spatial)
    )
