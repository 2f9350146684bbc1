"""Depthwise 3x3 convolution without padding, as nine shifted products: XLA's grouped one is far slower on a CPU."""

import functools
import operator

import jax
import jax.numpy as jnp

TERMS = 16  # at most this many products of images are written out in one sum


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise_conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Convolves each channel of x [N, H, W, C] with its own kernel [3, 3, 1, C]; returns [N, H', W', C]."""
    return _weighted_sum(x, kernel, stride)


def _weighted_sum(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    shifts, weights = _shifts(x, stride), kernel.reshape(9, 1, 1, 1, -1)
    return sum(shift * weight for shift, weight in zip(shifts, weights))


def _shifts(x: jax.Array, stride: int) -> list[jax.Array]:
    """Returns nine arrays [N, H', W', C]: the inputs under each kernel position, in the kernel's order."""
    rows, columns = ((size - 3) // stride + 1 for size in x.shape[1:3])
    # Sliced with the stride once for each phase, not once for each of the nine positions.
    phases = [[x[:, i::stride, j::stride] for j in range(stride)] for i in range(stride)]
    shifts = []
    for row in range(3):
        i, vertical = divmod(row, stride)
        for column in range(3):
            j, horizontal = divmod(column, stride)
            shifts.append(phases[vertical][horizontal][:, i : i + rows, j : j + columns])
    return shifts


def _forward(x, kernel, stride):
    return depthwise_conv(x, kernel, stride), (x, kernel)


def _backward(stride, saved, gradient):
    x, kernel = saved
    # Not of depthwise_conv, whose gradient is this function. XLA drops the sum; only its transpose is used.
    _, transpose = jax.vjp(lambda x: _weighted_sum(x, kernel, stride), x)
    products = [_sum_of_images(shift, gradient) for shift in _shifts(x, stride)]  # nine of [n, H', W', C]
    return *transpose(gradient), jnp.stack(products).sum((1, 2, 3)).reshape(kernel.shape)


def _sum_of_images(a: jax.Array, b: jax.Array) -> jax.Array:
    """Sums the product of a and b [N, H, W, C] over groups of images; returns [n, H, W, C] with n up to TERMS.

    The sum is written out because XLA would otherwise store the whole product before summing it.
    """
    count = max(divisor for divisor in range(1, TERMS + 1) if len(a) % divisor == 0)
    return functools.reduce(operator.add, [a[i::count] * b[i::count] for i in range(count)])


depthwise_conv.defvjp(_forward, _backward)
