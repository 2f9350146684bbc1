"""Max-pooling for CPUs and GPUs as the maximum of shifted slices; XLA's own has a slow gradient there."""

import functools
import itertools
import operator
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax


def max_pool(x: jax.Array, size: int = 2, stride: int = 2) -> jax.Array:
    """Returns the maxima of x [N, ..., C] over square or cubic windows, [N, ..., C] with smaller spatial extents.

    Values at the far edges that do not fill a window are dropped, as in torch's MaxPool. If values are equal, the first
    takes the gradient. The form of the operation depends on the platform that it is lowered for.
    """
    is_tiled, extents = size == stride, x.shape[1:-1]
    sizes, strides = (size,) * len(extents), (stride,) * len(extents)
    tiled_on_cpu = is_tiled and len(extents) == 2  # for volumes that gradient is slower on a CPU
    return lax.platform_dependent(
        x,
        cpu=lambda x: _of_shifts(x, size, stride, extents, tiled_on_cpu),
        cuda=lambda x: _of_shifts(x, size, stride, extents, is_tiled),
        default=lambda x: nnx.max_pool(x, sizes, strides=strides),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _of_shifts(x: jax.Array, size: int, stride: int, extents: tuple[int, ...], as_tiles: bool) -> jax.Array:
    """Pools by comparing slices; `as_tiles` selects the gradient for windows that do not overlap."""
    return functools.reduce(jnp.maximum, (x[:, *place] for place in _places(extents, size, stride)))


def _places(extents: tuple[int, ...], size: int, stride: int) -> Iterator[tuple[slice, ...]]:
    """Yields, for each position in a window, the slices that select the value there in every window."""
    lengths = [(extent - size) // stride * stride + 1 for extent in extents]
    for shift in itertools.product(range(size), repeat=len(lengths)):
        yield tuple(slice(start, start + length, stride) for start, length in zip(shift, lengths))


def _forward(x, size, stride, extents, as_tiles):
    """Saves for each window the number of the position of its maximum, in the smallest unsigned integer type."""
    first, *others = (x[:, *place] for place in _places(extents, size, stride))  # [N, H', W', C] each
    maxima, winners = first, jnp.zeros(first.shape, np.min_scalar_type(len(others)))
    for number, values in enumerate(others, 1):
        winners = jnp.where(values > maxima, winners.dtype.type(number), winners)  # `>`: of equal values the first wins
        maxima = jnp.maximum(maxima, values)
    return maxima, winners


def _backward(size, stride, extents, as_tiles, winners, gradient):
    if as_tiles:
        return (_tiled_gradient(size, extents, winners, gradient),)
    shares, zero = [], jnp.zeros((), gradient.dtype)
    for number, place in enumerate(_places(extents, size, stride)):
        # Puts each window's gradient back where `place` read, with zeros between and around.
        around = [(at.start, extent - at.stop, stride - 1) for at, extent in zip(place, extents)]
        shares.append(lax.pad(jnp.where(winners == number, gradient, 0), zero, [(0, 0, 0), *around, (0, 0, 0)]))
    return (functools.reduce(operator.add, shares),)


def _tiled_gradient(size, extents, winners, gradient):
    """Returns the gradient [N, H, W, C] or [N, D, H, W, C] of windows that do not overlap; writes each value once."""
    # A second axis for each spatial one: winners [N, H', 1, W', 1, C] against the positions [1, 1, size, 1, size, 1].
    within = [2 * axis + 2 for axis in range(len(extents))]
    numbers = np.arange(size ** len(extents), dtype=winners.dtype).reshape(1, 1, *(size, 1) * len(extents))
    shares = jnp.where(jnp.expand_dims(winners, within) == numbers, jnp.expand_dims(gradient, within), 0)
    covered = [size * count for count in gradient.shape[1:-1]]
    rest = [(0, extent - cover) for extent, cover in zip(extents, covered)]  # dropped values have no gradient
    return jnp.pad(shares.reshape(len(gradient), *covered, -1), ((0, 0), *rest, (0, 0)))


_of_shifts.defvjp(_forward, _backward)
