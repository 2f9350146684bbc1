"""3x3 and 5x5 convolution by Winograd's minimal filtering: 36 products of matrices in place of 144 and of 100.

Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016: y = A [(G g G') * (B d B')] A' for a tile
d of 6 x 6 values and its outputs y, 4 x 4 of a 3x3 kernel g, F(4x4, 3x3), or 2 x 2 of a 5x5 one, F(2x2, 5x5); tiles
overlap by what the kernel is larger than 1. It agrees with the plain form to about 1e-5.
What is made of x along one axis is stacked before the other's turn, so that it is computed once.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

IN = 6  # the extent of a tile
POINTS = (0, 1, -1, 2, -2)  # at which polynomials are multiplied, and at infinity

B = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
     (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))  # fmt: skip


def _powers(count: int) -> list[list[float]]:
    """[count, 6]: of the points, and of infinity, where all but the highest vanish."""
    return [[*(float(point**power) for point in POINTS), float(power == count - 1)] for power in range(count)]


@functools.cache
def _of_kernels(size: int) -> np.ndarray:
    """G of both axes at once: [36, size * size]."""
    scales = [math.prod(point - other for other in POINTS if other != point) for point in POINTS] + [1]
    g = np.transpose(_powers(size)) / np.reshape(scales, (-1, 1))
    return np.einsum("ai,bj->baij", g, g).reshape(IN * IN, size * size).astype(np.float32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def winograd(x: jax.Array, kernel: jax.Array, padding: int) -> jax.Array:
    """x [N, H, W, C] with kernel [3, 3, C, K] or [5, 5, C, K] and no stride -> [N, H', W', K]."""
    return _forward(x, kernel, padding)[0]


def _forward(x, kernel, padding):
    size = len(kernel)
    out = IN + 1 - size  # the extent of what a tile gives
    height, width = (extent + 2 * padding - size + 1 for extent in x.shape[1:3])
    down, across = -(-height // out), -(-width // out)
    after = [out * count + size - 1 - padding - extent for count, extent in zip((down, across), x.shape[1:3])]
    x = jnp.pad(x, ((0, 0), (padding, after[0]), (padding, after[1]), (0, 0)))
    rows = jnp.stack(_combine(B, _read(x, down, out, 1)))
    tiles = jnp.stack(_combine(B, _read(rows, across, out, 3))).reshape(IN * IN, -1, x.shape[-1])
    kernels = (_of_kernels(size) @ kernel.reshape(size * size, -1)).reshape(IN * IN, *kernel.shape[2:])
    products = lax.dot_general(tiles, kernels, (((2,), (1,)), ((0,), (0,))))
    products = products.reshape(IN, IN, len(x), down, across, -1)
    columns = jnp.stack(_combine(_powers(out), products), -2)  # [6, N, down, across, out, K]
    outputs = jnp.stack(_combine(_powers(out), columns), 2).reshape(len(x), out * down, out * across, -1)
    return outputs[:, :height, :width], (tiles, kernels, height, width, size)


def _backward(padding, saved, gradient):
    tiles, kernels, height, width, size = saved
    out = IN + 1 - size
    down, across = -(-height // out), -(-width // out)
    gradient = jnp.pad(gradient, ((0, 0), (0, out * down - height), (0, out * across - width), (0, 0)))
    rows = jnp.stack(_combine(zip(*_powers(out)), [gradient[:, i::out] for i in range(out)]))
    products = jnp.stack(_combine(zip(*_powers(out)), [rows[:, :, :, j::out] for j in range(out)]))
    products = products.reshape(IN * IN, -1, gradient.shape[-1])
    of_kernels = lax.dot_general(tiles, products, (((1,), (1,)), ((0,), (0,))))
    kernel_gradient = _of_kernels(size).T @ of_kernels.reshape(IN * IN, -1)
    of_tiles = lax.dot_general(products, kernels, (((2,), (2,)), ((0,), (0,))))
    of_tiles = of_tiles.reshape(IN, IN, len(gradient), down, across, -1)
    columns = _add(_combine(zip(*B), of_tiles), out, 3)
    x_gradient = _add(_combine(zip(*B), columns), out, 1)
    height, width = (extent + size - 1 - 2 * padding for extent in (height, width))
    x_gradient = x_gradient[:, padding : padding + height, padding : padding + width]
    return x_gradient, kernel_gradient.reshape(size, size, *of_kernels.shape[1:])


def _combine(matrix, parts) -> list[jax.Array]:
    """The matrix times a vector of arrays."""
    return [sum(weight * part for weight, part in zip(row, parts) if weight) for row in matrix]


def _read(x: jax.Array, count: int, step: int, axis: int) -> list[jax.Array]:
    """The six values of each of `count` tiles along the axis."""
    return [lax.slice_in_dim(x, i, i + step * (count - 1) + 1, step, axis) for i in range(IN)]


def _add(parts: list[jax.Array], step: int, axis: int) -> jax.Array:
    """What `_read` transposed does: tiles of six laid side by side, and what neighbours share added."""

    def side_by_side(first: int) -> jax.Array:
        stacked = jnp.stack(parts[first : first + step], axis + 1)
        shape = (*stacked.shape[:axis], -1, *stacked.shape[axis + 2 :])
        around = [(first, len(parts) - step - first) if i == axis else (0, 0) for i in range(len(shape))]
        return jnp.pad(stacked.reshape(shape), around)

    parts = [*parts, *[jnp.zeros_like(parts[0])] * (-IN % step)]
    return functools.reduce(jnp.add, map(side_by_side, range(0, IN, step)))


winograd.defvjp(_forward, _backward)
