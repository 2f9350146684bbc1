"""Batch normalisation by the statistics of the batch, with a gradient written by hand for GPUs."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from dynjax.models.operations.per_channel import over, sum_of_each, sum_of_each_on_gpu


def normalise(x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float) -> tuple[jax.Array, ...]:
    """Normalises x [N, ..., C] by its own mean and variance, then scales and shifts it.

    Returns: the result in x's dtype, the mean [C] and the biased variance [C], float32. Only the result has a gradient.
    The arithmetic is float32 for every dtype of x, and its form depends on the platform that it is lowered for.
    """

    def on_gpu(x, scale, bias):
        return _written_out(x, scale, bias, epsilon)

    def default(x, scale, bias):
        return _normalise(x, scale, bias, epsilon)

    return lax.platform_dependent(x, scale, bias, cuda=on_gpu, default=default)


def scale_and_shift(x, scale, bias, mean, var, epsilon: float) -> jax.Array:
    """Normalises x [N, ..., C], float32, by the given mean [C] and variance [C], then scales and shifts it."""
    factor = scale * lax.rsqrt(var + epsilon)  # [C]
    return x * over(x, factor) + over(x, bias - mean * factor)


def _normalise(x, scale, bias, epsilon, sum_up=sum_of_each):
    dtype, x, count = x.dtype, x.astype(jnp.float32), x.size // x.shape[-1]
    mean = sum_up(x) / count  # [C]
    var = sum_up(jnp.square(x - over(x, mean))) / count  # [C]
    return scale_and_shift(x, scale, bias, mean, var, epsilon).astype(dtype), mean, var


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _written_out(x, scale, bias, epsilon):
    """Saves only x for the gradient and reads it twice; JAX's own gradient stores and reads float32 copies of x."""
    return _normalise(x, scale, bias, epsilon, sum_of_each_on_gpu)


def _forward(x, scale, bias, epsilon):
    y, mean, var = _normalise(x, scale, bias, epsilon, sum_of_each_on_gpu)
    return (y, mean, var), (x, scale, mean, lax.rsqrt(var + epsilon))


def _backward(epsilon, saved, gradients):
    x, scale, mean, inverse_deviation = saved  # [N, ..., C], then [C] each
    gradient, count = gradients[0].astype(jnp.float32), x.size // x.shape[-1]
    normalised = (x.astype(jnp.float32) - over(x, mean)) * over(x, inverse_deviation)
    scale_gradient = sum_of_each_on_gpu(gradient * normalised)  # [C]
    bias_gradient = sum_of_each_on_gpu(gradient)  # [C]
    # The last two terms are the gradients that reach x through the batch's mean and its variance.
    common = gradient - over(x, bias_gradient / count) - normalised * over(x, scale_gradient / count)
    return (over(x, scale * inverse_deviation) * common).astype(x.dtype), scale_gradient, bias_gradient


_written_out.defvjp(_forward, _backward)
