"""The convolution of every network: XLA's own, or on a CPU or GPU an equal form that XLA runs faster there."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from dynjax.models.operations.conv2d import conv2d
from dynjax.models.operations.conv3d import conv3d
from dynjax.models.operations.conv3d_as_2d import conv3d_as_2d
from dynjax.models.operations.depthwise import depthwise_conv
from dynjax.models.operations.winograd import winograd

Padding = Sequence[tuple[int, int]]


def convolution(x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding, **options) -> jax.Array:
    """Replaces `lax.conv_general_dilated` in an `nnx.Conv`; its form depends on the platform that it is lowered for.

    Args:
      x: [N, H, W, C] or [N, D, H, W, C].
      kernel: [..., C, K], or [..., 1, C] for a depthwise convolution.
      strides: one for each spatial axis, all equal.
      padding: (before, after) for each spatial axis.
      options: those of `lax.conv_general_dilated`.

    Returns: [N, ..., K] in x's dtype.
    """

    def plain(x, kernel):
        return lax.conv_general_dilated(x, kernel, strides, padding, **options)

    def on_cpu(x, kernel):
        if x.dtype == jnp.bfloat16:
            # XLA's own is a hundred times slower in bfloat16 on a CPU; a GPU sums in float32 too.
            return on_cpu(x.astype(jnp.float32), kernel.astype(jnp.float32)).astype(x.dtype)
        if x.dtype != jnp.float32:
            return plain(x, kernel)
        if _suits_winograd(x, kernel, strides, padding):
            return winograd(x, kernel, padding[0][0])
        if options["feature_group_count"] > 1:
            return depthwise_conv(jnp.pad(x, ((0, 0), *padding, (0, 0))), kernel, strides[0])
        if x.ndim == 5:
            return conv3d(jnp.pad(x, ((0, 0), *padding, (0, 0))), kernel, strides[0])
        if kernel.shape[:2] == (1, 1):  # a matrix product
            x = jnp.pad(x, ((0, 0), *padding, (0, 0)))[:, :: strides[0], :: strides[0]]  # [N, H', W', C]
            return (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:-1], -1)
        return conv2d(x, kernel, strides[0], tuple(padding))

    def on_gpu(x, kernel):
        if x.ndim == 5:
            return conv3d_as_2d(x, kernel, strides[0], padding)
        return plain(x, kernel)

    return lax.platform_dependent(x, kernel, cpu=on_cpu, cuda=on_gpu, default=plain)


def _suits_winograd(x: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding) -> bool:
    """Whether Winograd's algorithm applies and pays: on small maps or few channels, cutting tiles costs more."""
    same = tuple((size // 2, size // 2) for size in kernel.shape[:-2])
    right_form = kernel.shape[:-2] in ((3, 3), (5, 5)) and set(strides) == {1} and tuple(padding) == same
    return right_form and min(x.shape[1:3]) > 6 and min(kernel.shape[2:]) >= 64
