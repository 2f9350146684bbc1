"""The layers that torch's networks are made of, with torch's arithmetic and torch's initial values."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from dynjax.models.operations.convolution import convolution


def torch_default(fan_in: int):
    """The initializer of torch's Conv2d and Linear, weights and biases alike: U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in)
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


# torchvision's choice for the convolutions of its networks: He et al. 2015, normal, counted over the outputs.
kaiming_fan_out = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")


def conv(
    features_in: int,
    features_out: int,
    size: int,
    *,
    rngs: nnx.Rngs,
    stride: int = 1,
    padding: int | None = None,
    bias: bool = True,
    kernel_init=None,
    bias_init=None,
) -> nnx.Conv:
    """A square convolution with the same padding on each side, size // 2 unless another is given."""
    default = torch_default(features_in * size * size)
    return nnx.Conv(
        features_in,
        features_out,
        (size, size),
        strides=stride,
        padding=size // 2 if padding is None else padding,
        use_bias=bias,
        kernel_init=kernel_init or default,
        bias_init=bias_init or default,
        conv_general_dilated=convolution,
        rngs=rngs,
    )


def depthwise(features: int, *, stride: int, kernel_init, rngs: nnx.Rngs) -> nnx.Conv:
    """A 3x3 convolution of each channel by itself, without bias."""
    return nnx.Conv(
        features,
        features,
        (3, 3),
        strides=stride,
        padding=1,
        feature_group_count=features,
        use_bias=False,
        kernel_init=kernel_init,
        conv_general_dilated=convolution,
        rngs=rngs,
    )


def linear(features_in: int, features_out: int, *, rngs: nnx.Rngs) -> nnx.Linear:
    default = torch_default(features_in)
    return nnx.Linear(features_in, features_out, kernel_init=default, bias_init=default, rngs=rngs)


class BatchNorm(nnx.Module):
    """torch's BatchNorm: epsilon 1e-5, momentum 0.1, the running variance from the unbiased batch variance."""

    def __init__(self, features: int, epsilon: float = 1e-5):
        self.epsilon = epsilon
        self.scale = nnx.Param(jnp.ones(features))
        self.bias = nnx.Param(jnp.zeros(features))
        self.mean = nnx.BatchStat(jnp.zeros(features))
        self.var = nnx.BatchStat(jnp.ones(features))

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """x: [N, ..., C]. In training the batch's own statistics normalise it and move the running ones.

        They are float32, and so is what is computed with them, whatever x is and the answer with it.
        """
        dtype, x = x.dtype, x.astype(jnp.float32)
        mean, var = self.mean[...], self.var[...]
        axes, shape = tuple(range(x.ndim - 1)), (1,) * (x.ndim - 1) + (-1,)
        if train:
            count = x.size // x.shape[-1]
            batch_mean = x.mean(axes)
            batch_var = jnp.square(x - batch_mean.reshape(shape)).mean(axes)
            self.mean[...] = 0.9 * mean + 0.1 * batch_mean
            self.var[...] = 0.9 * var + 0.1 * batch_var * (count / max(count - 1, 1))
            mean, var = batch_mean, batch_var
        scale = self.scale[...] * jax.lax.rsqrt(var + self.epsilon)
        shift = self.bias[...] - mean * scale
        return (x * scale.reshape(shape) + shift.reshape(shape)).astype(dtype)
