"""3D convolution as a 2D one: the planes that a kernel reads lie side by side as channels of one image.

cuDNN has far better 2D convolutions than 3D ones, of which XLA also asks another order of the axes. Where channels are
few they leave most of a GPU idle; so blocks of neighbours along the last axis are seen as channels, enough to fill a
matrix unit. That axis lies next to the channels in memory: to see it so costs nothing.
"""

import jax
import jax.numpy as jnp
from jax import lax

WIDE = 64  # channels that fill a matrix unit


def conv3d_as_2d(x: jax.Array, kernel: jax.Array, stride: int, padding) -> jax.Array:
    """x [N, D, H, W, C] with kernel [d, h, w, C, K] -> [N, D', H', W', K]."""
    sizes, features = kernel.shape[:3], kernel.shape[-1]
    counts = [(extent + sum(pad) - size) // stride + 1 for extent, pad, size in zip(x.shape[1:4], padding, sizes)]
    together = -(-WIDE // features) if stride == 1 else 1  # neighbouring outputs
    blocks = -(-counts[2] // together)
    # An output block reads its own inputs and some of the next.
    reads = -(-(together - 1 + sizes[2]) // together)
    right = (blocks - 1 + reads) * together - x.shape[3] - padding[2][0] if together > 1 else padding[2][1]
    zero = jnp.zeros((), x.dtype)
    x = lax.pad(x, zero, [(0, 0, 0), (*padding[0], 0), (0, 0, 0), (padding[2][0], right, 0), (0, 0, 0)])
    last = stride * (counts[0] - 1) + 1
    images = jnp.concatenate([x[:, plane : plane + last : stride] for plane in range(sizes[0])], -1)
    kernel = jnp.moveaxis(kernel, 0, 2).reshape(*sizes[1:], -1, features)
    if together > 1:
        kernel = _of_blocks(kernel, together, reads)
    outputs = lax.conv_general_dilated(
        images.reshape(-1, images.shape[2], images.shape[3] // together, together * images.shape[4]),
        kernel,
        (stride, stride),
        (padding[1], (0, 0)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    if together > 1:  # else XLA has cuDNN add a bias that it first writes out as large as the outputs
        outputs = lax.optimization_barrier(outputs)
    return outputs.reshape(-1, *counts[:2], blocks * together, features)[:, :, :, : counts[2]]


def _of_blocks(kernel: jax.Array, together: int, reads: int) -> jax.Array:
    """[h, w, C, K] -> [h, reads, together C, together K]: each output's own, shifted to the inputs that it reads."""
    high, wide, features_in, features = kernel.shape
    shifts = [(0, place, reads * together - wide - place) for place in range(together)]
    shifted = jnp.stack([jnp.pad(kernel, ((0, 0), shift[1:], (0, 0), (0, 0))) for shift in shifts], -2)
    return shifted.reshape(high, reads, together * features_in, together * features)
