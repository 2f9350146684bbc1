"""The layers of torch's networks, with torch's arithmetic and torch's initial values."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from dynjax.models.operations.batch_norm import normalise, scale_and_shift
from dynjax.models.operations.convolution import convolution
from dynjax.models.operations.per_channel import add_bias


def torch_default(fan_in: int):
    """Returns torch's initializer for weights and biases of Conv2d and Linear, U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    bound = 1 / math.sqrt(fan_in)
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


# torchvision's initializer for convolutions: He et al. 2015, normal, by fan-out.
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
    """Makes a square convolution with equal padding on each side, size // 2 by default."""
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
    """Makes a depthwise 3x3 convolution with padding 1 and no bias."""
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


class Conv3D(nnx.Module):
    """A 3x3x3 convolution of volumes; unlike `nnx.Conv`, it adds the bias by `add_bias`, which is faster on a GPU."""

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        rngs: nnx.Rngs,
        stride: int = 1,
        padding: int = 1,
        kernel_init,
        bias_init=nnx.initializers.zeros,
    ):
        self.strides, self.padding = (stride,) * 3, ((padding, padding),) * 3
        self.kernel = nnx.Param(kernel_init(rngs.params(), (3, 3, 3, features_in, features_out)))
        self.bias = nnx.Param(bias_init(rngs.params(), (features_out,)))

    def __call__(self, x: jax.Array) -> jax.Array:
        dtype = jnp.promote_types(x.dtype, self.kernel.dtype)
        y = convolution(
            x.astype(dtype),
            self.kernel[...].astype(dtype),
            self.strides,
            self.padding,
            dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
            feature_group_count=1,
        )
        return add_bias(y, self.bias[...].astype(dtype))


def linear(features_in: int, features_out: int, *, rngs: nnx.Rngs) -> nnx.Linear:
    """Makes a dense layer with torch's initial values."""
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
        """Normalises x [N, ..., C]; in training by the batch's statistics, which also update the running ones.

        Statistics and arithmetic are float32 for every dtype of x; the result has the dtype of x.
        """
        scale, bias, mean, var = (array[...] for array in (self.scale, self.bias, self.mean, self.var))
        if not train:
            return scale_and_shift(x.astype(jnp.float32), scale, bias, mean, var, self.epsilon).astype(x.dtype)
        y, batch_mean, batch_var = normalise(x, scale, bias, self.epsilon)
        count = x.size // x.shape[-1]
        self.mean[...] = 0.9 * mean + 0.1 * batch_mean
        self.var[...] = 0.9 * var + 0.1 * batch_var * (count / max(count - 1, 1))
        return y
