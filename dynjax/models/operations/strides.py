"""A convolution with a stride, as one without: blocks of neighbouring values are seen as channels."""

import jax
import jax.numpy as jnp
from jax import lax


def fold_stride(x: jax.Array, kernel: jax.Array, stride: int) -> tuple[jax.Array, jax.Array]:
    """What convolved without stride gives the same as x [N, ..., C] and kernel [..., C, K] with it, neither padded.

    Each spatial extent shrinks by the stride, while the channels grow by its square or cube.
    """
    sizes, extents = kernel.shape[:-2], x.shape[1:-1]
    places = [(extent - size) // stride + -(-size // stride) for extent, size in zip(extents, sizes)]
    excess = [(0, stride * count - extent, 0) for count, extent in zip(places, extents)]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *excess, (0, 0, 0)])
    kernel = jnp.pad(kernel, [*((0, -size % stride) for size in sizes), (0, 0), (0, 0)])
    return _blocks(x, 1, stride), _blocks(kernel, 0, stride)


def _blocks(array: jax.Array, first: int, stride: int) -> jax.Array:
    """[.., s a, s b, .., C, ..] -> [.., a, b, .., s s C, ..]; the spatial axes begin at `first`."""
    spatial = array.ndim - 2
    before, extents, after = array.shape[:first], array.shape[first : first + spatial], array.shape[first + spatial :]
    counts = [extent // stride for extent in extents]
    pairs = [size for count in counts for size in (count, stride)]
    outer, inner = range(first, first + 2 * spatial, 2), range(first + 1, first + 2 * spatial, 2)
    rest = range(first + 2 * spatial, array.ndim + spatial)
    array = array.reshape(*before, *pairs, *after).transpose(*range(first), *outer, *inner, *rest)
    return array.reshape(*before, *counts, stride**spatial * after[0], *after[1:])
