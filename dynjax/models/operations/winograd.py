"""3x3 and 5x5 convolution by Winograd's minimal filtering: 36 products of matrices instead of 144 and of 100.

Lavin & Gray, "Fast algorithms for convolutional neural networks", CVPR 2016: y = A [(G g G') * (B d B')] A', where d is
a tile of 6 x 6 inputs, g a kernel and y the outputs: 4 x 4 for a 3x3 kernel, F(4x4, 3x3), 2 x 2 for a 5x5 one,
F(2x2, 5x5). Tiles overlap by the kernel's size less one. The result agrees with XLA's own to about 1e-5.

Each transform runs along one axis first and its results are stacked before the other axis, so none is computed twice.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

IN = 6  # the extent of an input tile
POINTS = (0, 1, -1, 2, -2)  # where the polynomials are evaluated; the sixth point is infinity

B = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
     (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))  # fmt: skip


def _powers(count: int) -> list[list[float]]:
    """Returns the first `count` powers of the six points, [count, 6]; at infinity only the highest is not zero.

    For tiles with `count` outputs these are the output transform, A in the formula.
    """
    rows = []
    for power in range(count):
        at_infinity = 1.0 if power == count - 1 else 0.0
        rows.append([*(float(point**power) for point in POINTS), at_infinity])
    return rows


@functools.cache
def _kernel_transform(size: int) -> np.ndarray:
    """Returns the kernel transform along both axes, G times G, as one matrix [36, size * size]."""
    # Lagrange's denominators; infinity has none.
    scales = [math.prod(point - other for other in POINTS if other != point) for point in POINTS] + [1]
    g = np.transpose(_powers(size)) / np.reshape(scales, (-1, 1))  # [6, size]
    return np.einsum("ai,bj->baij", g, g).reshape(IN * IN, size * size).astype(np.float32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def winograd(x: jax.Array, kernel: jax.Array, padding: int) -> jax.Array:
    """Convolves x [N, H, W, C] with kernel [3, 3, C, K] or [5, 5, C, K] at stride 1; returns [N, H', W', K]."""
    return _forward(x, kernel, padding)[0]


def _forward(x, kernel, padding):
    """Returns the outputs, and the transformed tiles and kernels for the gradient.

    In the shapes, h and w count the tiles down and across, o is the extent of a tile's outputs and T = N h w.
    """
    size = len(kernel)
    out = IN + 1 - size  # o
    height, width = (extent + 2 * padding - size + 1 for extent in x.shape[1:3])
    down, across = -(-height // out), -(-width // out)
    # The padding below and to the right completes the last tiles.
    after = [out * count + size - 1 - padding - extent for count, extent in zip((down, across), x.shape[1:3])]
    x = jnp.pad(x, ((0, 0), (padding, after[0]), (padding, after[1]), (0, 0)))
    rows = jnp.stack(_combine(B, _read(x, down, out, 1)))  # [6, N, h, W, C]
    # The horizontal transform is stacked in front: [6, 6, N, h, w, C], as [36, T, C].
    tiles = jnp.stack(_combine(B, _read(rows, across, out, 3))).reshape(IN * IN, -1, x.shape[-1])
    kernels = (_kernel_transform(size) @ kernel.reshape(size * size, -1)).reshape(IN * IN, *kernel.shape[2:])
    products = lax.dot_general(tiles, kernels, (((2,), (1,)), ((0,), (0,))))  # [36, T, K]
    products = products.reshape(IN, IN, len(x), down, across, -1)
    columns = jnp.stack(_combine(_powers(out), products), -2)  # [6, N, h, w, o, K]
    outputs = jnp.stack(_combine(_powers(out), columns), 2)  # [N, h, o, w, o, K]
    outputs = outputs.reshape(len(x), out * down, out * across, -1)
    return outputs[:, :height, :width], (tiles, kernels, height, width, size)


def _backward(padding, saved, gradient):
    """Applies the transposes of the forward transforms, in reverse order."""
    tiles, kernels, height, width, size = saved
    out = IN + 1 - size
    down, across = -(-height // out), -(-width // out)
    gradient = jnp.pad(gradient, ((0, 0), (0, out * down - height), (0, out * across - width), (0, 0)))
    output_transform, input_transform = _transposed(_powers(out)), _transposed(B)
    rows = jnp.stack(_combine(output_transform, [gradient[:, i::out] for i in range(out)]))  # [6, N, h, W', K]
    products = jnp.stack(_combine(output_transform, [rows[:, :, :, j::out] for j in range(out)]))
    products = products.reshape(IN * IN, -1, gradient.shape[-1])  # [36, T, K]
    of_kernels = lax.dot_general(tiles, products, (((1,), (1,)), ((0,), (0,))))  # [36, C, K]
    kernel_gradient = _kernel_transform(size).T @ of_kernels.reshape(IN * IN, -1)
    of_tiles = lax.dot_general(products, kernels, (((2,), (2,)), ((0,), (0,))))  # [36, T, C]
    of_tiles = of_tiles.reshape(IN, IN, len(gradient), down, across, -1)
    columns = _add(_combine(input_transform, of_tiles), out, 3)  # [6, N, h, W, C]
    x_gradient = _add(_combine(input_transform, columns), out, 1)  # [N, H, W, C], padded
    height, width = (extent + size - 1 - 2 * padding for extent in (height, width))
    x_gradient = x_gradient[:, padding : padding + height, padding : padding + width]
    return x_gradient, kernel_gradient.reshape(size, size, *of_kernels.shape[1:])


def _combine(matrix, parts) -> list[jax.Array]:
    """Multiplies a matrix by a vector whose elements are arrays; skips the zeros of the matrix."""
    return [sum(weight * part for weight, part in zip(row, parts) if weight) for row in matrix]


def _transposed(matrix) -> list[tuple[float, ...]]:
    return list(zip(*matrix))


def _read(x: jax.Array, count: int, step: int, axis: int) -> list[jax.Array]:
    """Returns six arrays: the first, second, ... values along the axis of each of `count` overlapping tiles."""
    return [lax.slice_in_dim(x, i, i + step * (count - 1) + 1, step, axis) for i in range(IN)]


def _add(parts: list[jax.Array], step: int, axis: int) -> jax.Array:
    """Transposes `_read`: puts tiles of six values back along the axis and adds the values where they overlap."""

    def side_by_side(first: int) -> jax.Array:
        # `step` values of every tile fill the axis without a gap; `first` is how far they are shifted.
        stacked = jnp.stack(parts[first : first + step], axis + 1)
        shape = (*stacked.shape[:axis], -1, *stacked.shape[axis + 2 :])
        around = [(0, 0)] * len(shape)
        around[axis] = (first, len(parts) - step - first)
        return jnp.pad(stacked.reshape(shape), around)

    missing = -IN % step  # to a whole number of steps
    parts = [*parts, *[jnp.zeros_like(parts[0])] * missing]
    return functools.reduce(jnp.add, map(side_by_side, range(0, IN, step)))


winograd.defvjp(_forward, _backward)
