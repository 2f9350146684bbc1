"""The convolution of every network: XLA's own, and on a CPU the form of it that XLA runs well there."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from dynjax.models.operations.conv3d import conv3d
from dynjax.models.operations.depthwise import depthwise_conv

Padding = Sequence[tuple[int, int]]


def convolution(x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding, **options) -> jax.Array:
    """Takes the place of `lax.conv_general_dilated` in an `nnx.Conv`; the platform is chosen when it is lowered.

    Args: x [N, ..., C], kernel [..., C, K] or [..., 1, C] for a depthwise one, the same stride in all directions.
    """

    def plain(x, kernel):
        return lax.conv_general_dilated(x, kernel, strides, padding, **options)

    def on_cpu(x, kernel):
        x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
        if options["feature_group_count"] > 1:
            return depthwise_conv(x, kernel, strides[0])
        return conv3d(x, kernel, strides[0])

    has_own_form = options["feature_group_count"] > 1 or x.ndim == 5
    return lax.platform_dependent(x, kernel, cpu=on_cpu if has_own_form else plain, default=plain)
