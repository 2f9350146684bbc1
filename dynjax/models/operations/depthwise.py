"""Depthwise 3x3 convolution without padding, as nine shifted products: XLA's grouped one is far slower on a CPU."""

import functools
import operator

import jax
import jax.numpy as jnp

TERMS = 16  # of the sums over images that are written out


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise_conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """x [N, H, W, C] with kernel [3, 3, 1, C] -> [N, H', W', C]."""
    return sum(shift * weight for shift, weight in zip(_shifts(x, stride), kernel.reshape(9, 1, 1, 1, -1)))


def _shifts(x: jax.Array, stride: int) -> list[jax.Array]:
    """The nine neighbours of every output position, in the kernel's order."""
    rows, columns = ((size - 3) // stride + 1 for size in x.shape[1:3])
    phases = [[x[:, i::stride, j::stride] for j in range(stride)] for i in range(stride)]
    starts = [divmod(place, stride) for place in range(3)]
    return [phases[p][q][:, i : i + rows, j : j + columns] for i, p in starts for j, q in starts]


def _forward(x, kernel, stride):
    return depthwise_conv(x, kernel, stride), (x, kernel)


def _backward(stride, saved, gradient):
    x, kernel = saved
    _, transpose = jax.vjp(lambda x: sum(s * w for s, w in zip(_shifts(x, stride), kernel.reshape(9, 1, 1, 1, -1))), x)
    products = [_sum_of_images(shift, gradient) for shift in _shifts(x, stride)]
    return *transpose(gradient), jnp.stack(products).sum((1, 2, 3)).reshape(kernel.shape)


def _sum_of_images(a: jax.Array, b: jax.Array) -> jax.Array:
    """[N, H, W, C] twice -> [n, H, W, C] with a small n; written out, or XLA would store the product before it sums."""
    count = max(divisor for divisor in range(1, TERMS + 1) if len(a) % divisor == 0)
    return functools.reduce(operator.add, [a[i::count] * b[i::count] for i in range(count)])


depthwise_conv.defvjp(_forward, _backward)
