"""3D convolution without padding for CPUs, in one pass over the depth planes.

XLA's own is slow on a CPU and its gradients are slower. Here each plane is convolved once in 2D, with the kernel's
depth slices side by side as output channels. The scan carries the sums of the output planes that are not complete yet,
so only one plane of a volume is unfolded at a time.
"""

import jax
import jax.numpy as jnp
from jax import lax

from dynjax.models.operations.conv2d import conv2d
from dynjax.models.operations.strides import fold_stride
from dynjax.models.operations.winograd import winograd

NARROW = 2  # with at most this many channels, the planes that a kernel reads become channels of one image instead
WIDE = 32  # from this many channels on, planes are convolved by Winograd's algorithm


def conv3d(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Convolves x [N, D, H, W, C] with kernel [d, h, w, C, K]; returns [N, D', H', W', K]."""
    if stride > 1:
        x, kernel = fold_stride(x, kernel, stride)
    return _side_by_side(x, kernel) if x.shape[-1] <= NARROW else _plane_by_plane(x, kernel)


def _side_by_side(x, kernel):
    """Convolves in 2D once, with the d planes that an output plane depends on as channels of one image."""
    count = x.shape[1] - len(kernel) + 1  # D'
    images = jnp.concatenate([x[:, i : i + count] for i in range(len(kernel))], -1)  # [N, D', H, W, d C]
    images = images.reshape(-1, *images.shape[2:])  # [N D', H, W, d C]
    flat = jnp.concatenate(list(kernel), -2)  # [h, w, d C, K]
    outputs = conv2d(images, flat, 1, ((0, 0), (0, 0)))
    return outputs.reshape(len(x), count, *outputs.shape[1:])


@jax.custom_vjp
def _plane_by_plane(x, kernel):
    depth, features = kernel.shape[0], kernel.shape[-1]
    flat = jnp.concatenate(list(kernel), -1)  # [h, w, C, d K]

    def pass_plane(begun, plane):
        """Adds a plane [N, H, W, C] to the d - 1 unfinished outputs, begins one and returns the one it finishes."""
        parts = jnp.split(_convolve_plane(plane, flat), depth, axis=-1)  # d of [N, H', W', K]
        sums = [parts[0], *(unfinished + part for unfinished, part in zip(begun, parts[1:]))]
        return sums[:-1], sums[-1]

    height, width = (extent - size + 1 for extent, size in zip(x.shape[2:4], kernel.shape[1:3]))
    begun = [jnp.zeros((len(x), height, width, features), x.dtype)] * (depth - 1)
    _, outputs = lax.scan(pass_plane, begun, jnp.moveaxis(x, 1, 0))  # [D, N, H', W', K]
    # The first d - 1 outputs lack planes before the volume's first.
    return jnp.moveaxis(outputs[depth - 1 :], 0, 1)


def _convolve_plane(plane: jax.Array, kernel: jax.Array) -> jax.Array:
    if kernel.shape[:2] == (3, 3) and min(kernel.shape[2:]) >= WIDE:
        return winograd(plane, kernel, 0)
    return lax.conv_general_dilated(plane, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _forward(x, kernel):
    return _plane_by_plane(x, kernel), (x, kernel)


def _backward(saved, gradient):
    x, kernel = saved
    depth, *sides = (size - 1 for size in kernel.shape[:3])
    # The input's gradient is the full convolution of the padded gradient with the mirrored kernel, C and K exchanged.
    padded = jnp.pad(gradient, ((0, 0), (depth, depth), *((side, side) for side in sides), (0, 0)))
    mirrored = jnp.flip(kernel, (0, 1, 2)).swapaxes(3, 4)  # [d, h, w, K, C]
    around = jnp.pad(gradient, ((0, 0), (depth, depth), (0, 0), (0, 0), (0, 0)))
    return _plane_by_plane(padded, mirrored), _kernel_gradient(x, around, kernel.shape)


def _kernel_gradient(x: jax.Array, gradient: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Sums the kernel's gradient over the planes of x [N, D, H, W, C].

    gradient: [N, D + d - 1, H', W', K], padded along the depth; shape: the kernel's, (d, h, w, C, K).
    """
    depth, kernel_height, kernel_width, features_in, features = shape
    height, width = gradient.shape[2:4]
    gradient = jnp.moveaxis(gradient, 1, 0)  # [D + d - 1, N, H', W', K]

    def add_plane(total, index_and_plane):
        index, plane = index_and_plane  # plane: [N, H, W, C]
        # Reversed: the kernel's first depth slice met this plane in the last of these output planes.
        depths = lax.dynamic_slice_in_dim(gradient, index, depth, 0)[::-1]  # [d, N, H', W', K]
        depths = jnp.concatenate(list(depths), -1).reshape(-1, depth * features)  # [N H' W', d K]
        shifts = [plane[:, i : i + height, j : j + width] for i in range(kernel_height) for j in range(kernel_width)]
        return total + jnp.stack([shift.reshape(-1, features_in).T @ depths for shift in shifts]), None

    zeros = jnp.zeros((kernel_height * kernel_width, features_in, depth * features), x.dtype)
    total, _ = lax.scan(add_plane, zeros, (jnp.arange(x.shape[1]), jnp.moveaxis(x, 1, 0)))
    return jnp.moveaxis(total.reshape(kernel_height, kernel_width, features_in, depth, features), 3, 0)


_plane_by_plane.defvjp(_forward, _backward)
