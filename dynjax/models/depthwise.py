"""Depthwise 3x3 convolution: nine shifted products on a CPU, where XLA's grouped convolution is far slower."""

import functools

import jax
import jax.numpy as jnp
from jax import lax


def depthwise_conv(
    x, kernel, strides, padding, *, lhs_dilation, rhs_dilation, dimension_numbers, feature_group_count, precision, **_
):
    """Takes the place of `lax.conv_general_dilated` in an `nnx.Conv`; the platform is chosen when it is lowered.

    Args: x [N, H, W, C], kernel [3, 3, 1, C], the same strides in both directions, padding ((1, 1), (1, 1)).
    """

    def grouped(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            precision=precision,
        )

    return lax.platform_dependent(x, kernel, cpu=lambda x, k: shifted_depthwise(x, k, strides[0]), default=grouped)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def shifted_depthwise(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """x [N, H, W, C] with kernel [3, 3, 1, C] -> [N, ceil(H / stride), ceil(W / stride), C], padding 1 all around."""
    return sum(shift * weight for shift, weight in zip(_shifts(x, stride), kernel.reshape(9, 1, 1, 1, -1)))


def _shifts(x: jax.Array, stride: int) -> list[jax.Array]:
    """The nine neighbours of every output position, in the kernel's order."""
    rows, columns = ((size - 1) // stride * stride + 1 for size in x.shape[1:3])
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, i : i + rows : stride, j : j + columns : stride] for i in range(3) for j in range(3)]


def _forward(x, kernel, stride):
    return shifted_depthwise(x, kernel, stride), (x, kernel)


def _backward(stride, saved, gradient):
    x, kernel = saved
    _, transpose = jax.vjp(lambda x: sum(s * w for s, w in zip(_shifts(x, stride), kernel.reshape(9, 1, 1, 1, -1))), x)
    products = [(shift * gradient).sum((0, 1, 2)) for shift in _shifts(x, stride)]
    return *transpose(gradient), jnp.stack(products).reshape(kernel.shape)


shifted_depthwise.defvjp(_forward, _backward)
