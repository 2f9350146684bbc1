"""Rewrites a convolution with a stride as one without, by turning blocks of neighbouring values into channels."""

import jax
import jax.numpy as jnp
from jax import lax


def fold_stride(x: jax.Array, kernel: jax.Array, stride: int) -> tuple[jax.Array, jax.Array]:
    """Returns an input and a kernel whose convolution without stride equals that of x and kernel with `stride`.

    x [N, ..., C] and kernel [..., C, K] are not padded. Each spatial extent shrinks by the stride; the number of
    channels grows by its square for images and its cube for volumes.
    """
    sizes, extents = kernel.shape[:-2], x.shape[1:-1]
    # The blocks along each axis: one for each output, and those that the kernel reads beyond it.
    places = [(extent - size) // stride + -(-size // stride) for extent, size in zip(extents, sizes)]
    excess = [(0, stride * count - extent, 0) for count, extent in zip(places, extents)]  # crops where negative
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *excess, (0, 0, 0)])
    kernel = jnp.pad(kernel, [*((0, -size % stride) for size in sizes), (0, 0), (0, 0)])
    return _blocks(x, 1, stride), _blocks(kernel, 0, stride)


def _blocks(array: jax.Array, first: int, stride: int) -> jax.Array:
    """Turns blocks of s values along each spatial axis into channels; the spatial axes begin at `first`.

    [.., s a, s b, .., C, ..] -> [.., a, b, .., s s C, ..]
    """
    spatial = array.ndim - 2
    before, extents, after = array.shape[:first], array.shape[first : first + spatial], array.shape[first + spatial :]
    counts = [extent // stride for extent in extents]  # a, b, ..
    pairs: list[int] = []
    for count in counts:
        pairs += (count, stride)
    outer, inner = range(first, first + 2 * spatial, 2), range(first + 1, first + 2 * spatial, 2)
    rest = range(first + 2 * spatial, array.ndim + spatial)
    array = array.reshape(*before, *pairs, *after)  # [.., a, s, b, s, .., C, ..]
    array = array.transpose(*range(first), *outer, *inner, *rest)  # [.., a, b, .., s, s, .., C, ..]
    return array.reshape(*before, *counts, stride**spatial * after[0], *after[1:])
