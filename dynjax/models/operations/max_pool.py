"""Max-pooling: of shifted slices on a CPU, where XLA's own has a slow gradient."""

import functools
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax


def max_pool(x: jax.Array, size: int = 2, stride: int = 2) -> jax.Array:
    """The maximum over squares or cubes of x [N, ..., C]; what does not fill one is left out, as torch's MaxPool does.

    Of equal values the first takes the gradient. The platform is chosen when it is lowered.
    """
    sizes, strides = (size,) * (x.ndim - 2), (stride,) * (x.ndim - 2)
    return lax.platform_dependent(
        x, cpu=lambda x: _of_shifts(x, size, stride), default=lambda x: nnx.max_pool(x, sizes, strides=strides)
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _of_shifts(x: jax.Array, size: int, stride: int) -> jax.Array:
    return functools.reduce(jnp.maximum, (x[:, *place] for place in _places(x, size, stride)))


def _places(x: jax.Array, size: int, stride: int) -> Iterator[tuple[slice, ...]]:
    """Where the first, second, ... value of every square lies."""
    lengths = [(extent - size) // stride * stride + 1 for extent in x.shape[1:-1]]
    for shift in itertools.product(range(size), repeat=len(lengths)):
        yield tuple(slice(start, start + length, stride) for start, length in zip(shift, lengths))


def _forward(x, size, stride):
    maxima = _of_shifts(x, size, stride)
    return maxima, (x, maxima)


def _backward(size, stride, saved, gradient):
    x, maxima = saved
    total, open_still = jnp.zeros_like(x), jnp.ones(maxima.shape, bool)
    for place in _places(x, size, stride):
        wins = open_still & (x[:, *place] == maxima)
        open_still &= ~wins
        around = [(at.start, extent - at.stop, stride - 1) for at, extent in zip(place, x.shape[1:-1])]
        share = jnp.where(wins, gradient, 0)
        total += lax.pad(share, jnp.zeros((), x.dtype), [(0, 0, 0), *around, (0, 0, 0)])
    return (total,)


_of_shifts.defvjp(_forward, _backward)
