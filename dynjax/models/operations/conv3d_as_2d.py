"""3D convolution as a 2D one for GPUs: the planes that a kernel reads become channels of one image.

cuDNN's 2D convolutions are far faster than its 3D ones, for which XLA also reorders the axes. A few channels leave most
of a GPU idle, so blocks of neighbours along the last spatial axis become channels too, enough to fill a matrix unit.
This costs nothing, because that axis is next to the channels in memory.
"""

import jax
import jax.numpy as jnp
from jax import lax

WIDE = 64  # channels that fill a matrix unit


def conv3d_as_2d(x: jax.Array, kernel: jax.Array, stride: int, padding) -> jax.Array:
    """Convolves x [N, D, H, W, C] with kernel [d, h, w, C, K]; returns [N, D', H', W', K]."""
    sizes, features = kernel.shape[:3], kernel.shape[-1]
    # D', H' and W'
    counts = [(extent + sum(pad) - size) // stride + 1 for extent, pad, size in zip(x.shape[1:4], padding, sizes)]
    together = -(-WIDE // features) if stride == 1 else 1  # b, the outputs in a block along W
    blocks = -(-counts[2] // together)  # the last one may reach beyond W'
    # r, the input blocks that an output block reads: its own and some that follow.
    reads = -(-(together - 1 + sizes[2]) // together)
    right = (blocks - 1 + reads) * together - x.shape[3] - padding[2][0] if together > 1 else padding[2][1]
    zero = jnp.zeros((), x.dtype)
    x = lax.pad(x, zero, [(0, 0, 0), (*padding[0], 0), (0, 0, 0), (padding[2][0], right, 0), (0, 0, 0)])
    last = stride * (counts[0] - 1) + 1
    planes = [x[:, plane : plane + last : stride] for plane in range(sizes[0])]  # d of [N, D', H, W, C]
    images = jnp.concatenate(planes, -1)  # [N, D', H, W, d C]
    kernel = jnp.moveaxis(kernel, 0, 2).reshape(*sizes[1:], -1, features)  # [h, w, d C, K]
    if together > 1:
        kernel = _kernel_of_blocks(kernel, together, reads)
    outputs = lax.conv_general_dilated(
        images.reshape(-1, images.shape[2], images.shape[3] // together, together * images.shape[4]),
        kernel,
        (stride, stride),
        (padding[1], (0, 0)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # [N D', H', blocks, b K]
    if together > 1:
        # Without the barrier XLA fuses a bias into cuDNN's call and first writes it out as large as the outputs.
        outputs = lax.optimization_barrier(outputs)
    return outputs.reshape(-1, *counts[:2], blocks * together, features)[:, :, :, : counts[2]]


def _kernel_of_blocks(kernel: jax.Array, together: int, reads: int) -> jax.Array:
    """Builds the kernel between blocks, [h, w, C, K] -> [h, r, b C, b K]: a shifted copy for each output of a block."""
    kernel_height, kernel_width, features_in, features = kernel.shape
    shifted = []
    for place in range(together):
        after = reads * together - kernel_width - place
        shifted.append(jnp.pad(kernel, ((0, 0), (place, after), (0, 0), (0, 0))))  # [h, r b, C, K]
    # [h, r b, C, b, K]; the channels of one input block are b C.
    return jnp.stack(shifted, -2).reshape(kernel_height, reads, together * features_in, together * features)
