"""2D convolution for CPUs, with gradients in forms that XLA runs fast, inside loops too.

XLA's own gradient with respect to the kernel is slow everywhere, the one with respect to the input is slow in loops.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

Padding = tuple[tuple[int, int], tuple[int, int]]
ROWS = 8192  # about how many rows the multiplied matrices have
NARROW = 64  # columns; a kernel row with fewer is not worth a matrix product of its own


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv2d(x: jax.Array, kernel: jax.Array, stride: int, padding: Padding) -> jax.Array:
    """Convolves x [N, H, W, C] with kernel [h, w, C, K]; returns [N, H', W', K]."""
    return _plain(x, kernel, stride, padding)


def _plain(x, kernel, stride, padding):
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _forward(x, kernel, stride, padding):
    return _plain(x, kernel, stride, padding), (x, kernel)


def _backward(stride, padding, saved, gradient):
    x, kernel = saved
    x_gradient = _input_gradient(gradient, kernel, stride, padding, x.shape[1:3])
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    return x_gradient, _kernel_gradient(padded, gradient, kernel.shape, stride)


def _input_gradient(gradient, kernel, stride, padding, extents: tuple[int, int]) -> jax.Array:
    """Multiplies by all kernel positions in one product, then adds each position's share where its input value is."""
    shares = lax.dot_general(gradient, kernel, (((3,), (3,)), ((), ())))  # [N, H', W', h, w, C]
    # The first pass turns H', h into H, so that w is axis 3 in the second.
    for axis, (before, _), extent in zip((1, 2), padding, extents):
        parts = [lax.index_in_dim(shares, i, 3, keepdims=False) for i in range(shares.shape[3])]
        placed = [_place(part, axis, i - before, stride, extent) for i, part in enumerate(parts)]
        shares = functools.reduce(jnp.add, placed)  # [N, H, W', w, C], then [N, H, W, C]
    return shares


def _place(x: jax.Array, axis: int, start: int, step: int, extent: int) -> jax.Array:
    """Spreads x along an axis of zeros, `step` apart from `start` on; values outside the extent are dropped."""
    around = [(0, 0, 0)] * x.ndim
    # A negative amount of padding crops.
    around[axis] = (start, extent - start - step * (x.shape[axis] - 1) - 1, step - 1)
    return lax.pad(x, jnp.zeros((), x.dtype), around)


def _kernel_gradient(x: jax.Array, gradient: jax.Array, shape: tuple[int, ...], stride: int) -> jax.Array:
    """Sums the gradient over groups of images; a group is large enough for matrices of about ROWS rows.

    x: [N, H, W, C], padded; gradient: [N, H', W', K]; shape: the kernel's, (h, w, C, K).
    """
    kernel_height, kernel_width, features_in, features = shape
    height, width = (stride * (size - 1) + 1 for size in gradient.shape[1:3])

    def of_images(x, gradient):  # [n, H, W, C] and [n, H', W', K] -> [h w C, K]
        # The kernel's columns become channels, so that one product covers a whole row of the kernel.
        columns = jnp.concatenate([x[:, :, j : j + width : stride] for j in range(kernel_width)], -1)  # [n, H, W', w C]
        rows = [columns[:, i : i + height : stride] for i in range(kernel_height)]  # h of [n, H', W', w C]
        if columns.shape[-1] < NARROW:
            rows = [jnp.concatenate(rows, -1)]
        gradient = gradient.reshape(-1, features)  # [n H' W', K]
        return jnp.concatenate([row.reshape(-1, row.shape[-1]).T @ gradient for row in rows])

    count = _images_at_once(len(x), gradient.shape[1] * gradient.shape[2])
    if count == len(x):
        return of_images(x, gradient).reshape(shape)
    batches = (x.reshape(-1, count, *x.shape[1:]), gradient.reshape(-1, count, *gradient.shape[1:]))
    zeros = jnp.zeros((kernel_height * kernel_width * features_in, features), x.dtype)
    total, _ = lax.scan(lambda total, batch: (total + of_images(*batch), None), zeros, batches)
    return total.reshape(shape)


def _images_at_once(images: int, rows_of_one: int) -> int:
    """Returns the largest divisor of `images` whose matrices have at most ROWS rows; 1 if a single image has more."""
    fitting = max(1, ROWS // rows_of_one)
    return max(divisor for divisor in range(1, images + 1) if images % divisor == 0 and divisor <= fitting)


conv2d.defvjp(_forward, _backward)
