"""Batch normalisation by a batch's own statistics; on a GPU with its gradient written out."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from dynjax.models.operations.per_channel import over, sum_of_each, sum_of_each_on_gpu


def normalise(x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float) -> tuple[jax.Array, ...]:
    """x [N, ..., C] -> (normalised, scaled and shifted x, mean [C], biased variance [C]).

    Only the first has a gradient. What is computed is float32, whatever x is; how is chosen when it is lowered.
    """
    on_gpu, default = (lambda *arrays, form=form: form(*arrays, epsilon) for form in (_written_out, _normalise))
    return lax.platform_dependent(x, scale, bias, cuda=on_gpu, default=default)


def scale_and_shift(x, scale, bias, mean, var, epsilon: float) -> jax.Array:
    """x [N, ..., C], float32, normalised by statistics [C]."""
    factor = scale * lax.rsqrt(var + epsilon)
    return x * over(x, factor) + over(x, bias - mean * factor)


def _normalise(x, scale, bias, epsilon, sum_up=sum_of_each):
    dtype, x, count = x.dtype, x.astype(jnp.float32), x.size // x.shape[-1]
    mean = sum_up(x) / count
    var = sum_up(jnp.square(x - over(x, mean))) / count
    return scale_and_shift(x, scale, bias, mean, var, epsilon).astype(dtype), mean, var


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _written_out(x, scale, bias, epsilon):
    """Keeps x alone and reads it twice; derived by JAX, the gradient writes and reads float32 as large as x."""
    return _normalise(x, scale, bias, epsilon, sum_of_each_on_gpu)


def _forward(x, scale, bias, epsilon):
    y, mean, var = _normalise(x, scale, bias, epsilon, sum_of_each_on_gpu)
    return (y, mean, var), (x, scale, mean, lax.rsqrt(var + epsilon))


def _backward(epsilon, saved, gradients):
    x, scale, mean, inverse_deviation = saved
    gradient, count = gradients[0].astype(jnp.float32), x.size // x.shape[-1]
    normalised = (x.astype(jnp.float32) - over(x, mean)) * over(x, inverse_deviation)
    of_scale, of_bias = sum_of_each_on_gpu(gradient * normalised), sum_of_each_on_gpu(gradient)
    common = gradient - over(x, of_bias / count) - normalised * over(x, of_scale / count)
    return (over(x, scale * inverse_deviation) * common).astype(x.dtype), of_scale, of_bias


_written_out.defvjp(_forward, _backward)
