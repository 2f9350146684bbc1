"""3x3 convolution by Winograd's minimal filtering F(4x4, 3x3): 36 products of matrices in place of 144.

Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016: y = A [(G g G') * (B d B')] A' for a tile
d of 6 x 6 values, of which neighbours share two, and its 4 x 4 outputs y. It agrees with the plain form to about 1e-5.
What is made of x along one axis is stacked before the other's turn, so that it is computed once.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

OUT, IN = 4, 6  # the extent of a tile's outputs and of what they are made from

B = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
     (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))  # fmt: skip
A = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
G = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
     (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))  # fmt: skip
OF_KERNELS = np.einsum("ai,bj->baij", G, G).reshape(IN * IN, 9).astype(np.float32)  # both axes at once


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def winograd(x: jax.Array, kernel: jax.Array, padding: int) -> jax.Array:
    """x [N, H, W, C] with kernel [3, 3, C, K] and no stride -> [N, H', W', K]."""
    return _forward(x, kernel, padding)[0]


def _forward(x, kernel, padding):
    height, width = (extent + 2 * padding - 2 for extent in x.shape[1:3])
    down, across = -(-height // OUT), -(-width // OUT)
    after = [OUT * count + 2 - padding - extent for count, extent in zip((down, across), x.shape[1:3])]
    x = jnp.pad(x, ((0, 0), (padding, after[0]), (padding, after[1]), (0, 0)))
    rows = jnp.stack(_combine(B, _read(x, down, 1)))
    tiles = jnp.stack(_combine(B, _read(rows, across, 3))).reshape(IN * IN, -1, x.shape[-1])
    kernels = (OF_KERNELS @ kernel.reshape(9, -1)).reshape(IN * IN, *kernel.shape[2:])
    products = lax.dot_general(tiles, kernels, (((2,), (1,)), ((0,), (0,))))
    products = products.reshape(IN, IN, len(x), down, across, -1)
    columns = jnp.stack(_combine(A, products), -2)  # [6, N, down, across, 4, K]
    outputs = jnp.stack(_combine(A, columns), 2).reshape(len(x), OUT * down, OUT * across, -1)
    return outputs[:, :height, :width], (tiles, kernels, height, width)


def _backward(padding, saved, gradient):
    tiles, kernels, height, width = saved
    down, across = -(-height // OUT), -(-width // OUT)
    gradient = jnp.pad(gradient, ((0, 0), (0, OUT * down - height), (0, OUT * across - width), (0, 0)))
    rows = jnp.stack(_combine(zip(*A), [gradient[:, i::OUT] for i in range(OUT)]))
    products = jnp.stack(_combine(zip(*A), [rows[:, :, :, j::OUT] for j in range(OUT)]))
    products = products.reshape(IN * IN, -1, gradient.shape[-1])
    of_kernels = lax.dot_general(tiles, products, (((1,), (1,)), ((0,), (0,))))
    kernel_gradient = (OF_KERNELS.T @ of_kernels.reshape(IN * IN, -1)).reshape(3, 3, *of_kernels.shape[1:])
    of_tiles = lax.dot_general(products, kernels, (((2,), (2,)), ((0,), (0,))))
    of_tiles = of_tiles.reshape(IN, IN, len(gradient), down, across, -1)
    columns = _add(_combine(zip(*B), of_tiles), 3)
    x_gradient = _add(_combine(zip(*B), columns), 1)
    x_gradient = x_gradient[:, padding : height + 2 - padding, padding : width + 2 - padding]
    return x_gradient, kernel_gradient


def _combine(matrix, parts) -> list[jax.Array]:
    """The matrix times a vector of arrays."""
    return [sum(weight * part for weight, part in zip(row, parts) if weight) for row in matrix]


def _read(x: jax.Array, count: int, axis: int) -> list[jax.Array]:
    """The six values of each of `count` tiles along the axis."""
    return [lax.slice_in_dim(x, i, i + OUT * (count - 1) + 1, OUT, axis) for i in range(IN)]


def _add(parts: list[jax.Array], axis: int) -> jax.Array:
    """What `_read` transposed does: tiles of six laid side by side, the two that neighbours share added."""

    def side_by_side(four, before, after):
        stacked = jnp.stack(four, axis + 1)
        shape = (*stacked.shape[:axis], -1, *stacked.shape[axis + 2 :])
        return jnp.pad(stacked.reshape(shape), [(before, after) if i == axis else (0, 0) for i in range(len(shape))])

    nothing = jnp.zeros_like(parts[0])
    return side_by_side(parts[:OUT], 0, OUT) + side_by_side([*parts[OUT:], nothing, nothing], OUT, 0)


winograd.defvjp(_forward, _backward)
