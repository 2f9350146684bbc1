"""2D convolution whose gradients are forms that XLA runs well on a CPU, in a loop as outside of one.

Its own gradient with respect to the kernel is slow everywhere, the one with respect to the input is slow inside loops.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

Padding = tuple[tuple[int, int], tuple[int, int]]
ROWS = 8192  # of the matrices that are multiplied, about
NARROW = 64  # columns: a row of the kernel that has fewer is not worth a product of its own


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv2d(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """x [N, H, W, C] with kernel [h, w, C, K] -> [N, H', W', K]."""
    return _plain(x, kernel, stride, padding)


def _plain(x, kernel, stride, padding):
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _forward(x, kernel, stride, padding):
    return _plain(x, kernel, stride, padding), (x, kernel)


def _backward(stride, padding, saved, gradient):
    x, kernel = saved
    x_gradient = _input_gradient(gradient, kernel, stride, padding, x.shape[1:3])
    return x_gradient, _kernel_gradient(jnp.pad(x, ((0, 0), *padding, (0, 0))), gradient, kernel.shape, stride)


def _input_gradient(gradient, kernel, stride, padding, extents: tuple[int, int]) -> jax.Array:
    """One product for all of the kernel's values; what each of them gave is added where its own input stood."""
    shares = lax.dot_general(gradient, kernel, (((3,), (3,)), ((), ())))  # [N, H', W', h, w, C]
    for axis, (before, _), extent in zip((1, 2), padding, extents):
        parts = [lax.index_in_dim(shares, i, 3, keepdims=False) for i in range(shares.shape[3])]
        placed = [_place(part, axis, i - before, stride, extent) for i, part in enumerate(parts)]
        shares = functools.reduce(jnp.add, placed)
    return shares


def _place(x: jax.Array, axis: int, start: int, step: int, extent: int) -> jax.Array:
    """Zeros of the extent along the axis, with x from start on in steps; what falls outside is left out."""
    around = [(0, 0, 0)] * x.ndim
    around[axis] = (start, extent - start - step * (x.shape[axis] - 1) - 1, step - 1)
    return lax.pad(x, jnp.zeros((), x.dtype), around)


def _kernel_gradient(x: jax.Array, gradient: jax.Array, shape: tuple[int, ...], stride: int) -> jax.Array:
    """As many images at a time as make matrices of ROWS rows; the kernel's columns stand side by side in them."""
    high, wide, features_in, features = shape
    height, width = (stride * (size - 1) + 1 for size in gradient.shape[1:3])

    def of_images(x, gradient):
        columns = jnp.concatenate([x[:, :, j : j + width : stride] for j in range(wide)], -1)
        rows = [columns[:, i : i + height : stride] for i in range(high)]
        if columns.shape[-1] < NARROW:
            rows = [jnp.concatenate(rows, -1)]
        gradient = gradient.reshape(-1, features)
        return jnp.concatenate([row.reshape(-1, row.shape[-1]).T @ gradient for row in rows])

    fitting = max(1, ROWS // (gradient.shape[1] * gradient.shape[2]))
    count = max(divisor for divisor in range(1, len(x) + 1) if len(x) % divisor == 0 and divisor <= fitting)
    if count == len(x):
        total = of_images(x, gradient)
    else:
        batches = [array.reshape(-1, count, *array.shape[1:]) for array in (x, gradient)]
        nothing = jnp.zeros((high * wide * features_in, features), x.dtype)
        total, _ = lax.scan(lambda total, batch: (total + of_images(*batch), None), nothing, tuple(batches))
    return total.reshape(shape)


conv2d.defvjp(_forward, _backward)
