"""Max-pooling: of shifted slices on a CPU and a GPU, where XLA's own has a slow gradient."""

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
    """The maximum over squares or cubes of x [N, ..., C]; what does not fill one is left out, as torch's MaxPool does.

    Of equal values the first takes the gradient. The platform is chosen when it is lowered.
    """

    apart, extents = size == stride, x.shape[1:-1]
    sizes, strides = (size,) * len(extents), (stride,) * len(extents)
    return lax.platform_dependent(
        x,
        cpu=lambda x: _of_shifts(x, size, stride, extents, apart and len(extents) == 2),  # of cubes it is slower
        cuda=lambda x: _of_shifts(x, size, stride, extents, apart),
        default=lambda x: nnx.max_pool(x, sizes, strides=strides),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _of_shifts(x: jax.Array, size: int, stride: int, extents: tuple[int, ...], as_tiles: bool) -> jax.Array:
    """`as_tiles`: the form of the gradient, for squares that have no value in common."""
    return functools.reduce(jnp.maximum, (x[:, *place] for place in _places(extents, size, stride)))


def _places(extents: tuple[int, ...], size: int, stride: int) -> Iterator[tuple[slice, ...]]:
    """Where the first, second, ... value of every square lies."""
    lengths = [(extent - size) // stride * stride + 1 for extent in extents]
    for shift in itertools.product(range(size), repeat=len(lengths)):
        yield tuple(slice(start, start + length, stride) for start, length in zip(shift, lengths))


def _forward(x, size, stride, extents, as_tiles):
    first, *others = (x[:, *place] for place in _places(extents, size, stride))
    maxima, winners = first, jnp.zeros(first.shape, np.min_scalar_type(len(others)))
    for number, values in enumerate(others, 1):
        winners = jnp.where(values > maxima, winners.dtype.type(number), winners)
        maxima = jnp.maximum(maxima, values)
    return maxima, winners


def _backward(size, stride, extents, as_tiles, winners, gradient):
    if as_tiles:
        return (_of_tiles(size, extents, winners, gradient),)
    shares, nothing = [], jnp.zeros((), gradient.dtype)
    for number, place in enumerate(_places(extents, size, stride)):
        around = [(at.start, extent - at.stop, stride - 1) for at, extent in zip(place, extents)]
        shares.append(lax.pad(jnp.where(winners == number, gradient, 0), nothing, [(0, 0, 0), *around, (0, 0, 0)]))
    return (functools.reduce(operator.add, shares),)


def _of_tiles(size, extents, winners, gradient):
    """Each value is written once, where it lies."""
    between = [2 * axis + 2 for axis in range(len(extents))]  # an axis within the squares after each over them
    numbers = np.arange(size ** len(extents), dtype=winners.dtype).reshape(1, 1, *(size, 1) * len(extents))
    shares = jnp.where(jnp.expand_dims(winners, between) == numbers, jnp.expand_dims(gradient, between), 0)
    covered = [size * count for count in gradient.shape[1:-1]]
    rest = [(0, extent - cover) for extent, cover in zip(extents, covered)]
    return jnp.pad(shares.reshape(len(gradient), *covered, -1), ((0, 0), *rest, (0, 0)))


_of_shifts.defvjp(_forward, _backward)
