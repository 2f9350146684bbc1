"""3D convolution without padding, as one pass over the depth planes: XLA's own is slow on a CPU, its gradients slower.

A plane is convolved in 2D with the kernel's depths side by side as output channels, and what it adds to the outputs
before and after it is carried along. So no more than a plane of a volume is ever unfolded.
"""

import jax
import jax.numpy as jnp
from jax import lax

from dynjax.models.operations.conv2d import conv2d
from dynjax.models.operations.strides import fold_stride
from dynjax.models.operations.winograd import winograd

NARROW = 2  # channels up to which the planes that a kernel reads are rather seen as channels of one
WIDE = 32  # channels from which on a plane is convolved by Winograd's algorithm


def conv3d(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """x [N, D, H, W, C] with kernel [d, h, w, C, K] -> [N, D', H', W', K]."""
    if stride > 1:
        x, kernel = fold_stride(x, kernel, stride)
    return _side_by_side(x, kernel) if x.shape[-1] <= NARROW else _plane_by_plane(x, kernel)


def _side_by_side(x, kernel):
    count = x.shape[1] - len(kernel) + 1
    images = jnp.concatenate([x[:, i : i + count] for i in range(len(kernel))], -1)
    outputs = conv2d(images.reshape(-1, *images.shape[2:]), jnp.concatenate(list(kernel), -2), 1, ((0, 0), (0, 0)))
    return outputs.reshape(len(x), count, *outputs.shape[1:])


@jax.custom_vjp
def _plane_by_plane(x, kernel):
    depth, features = kernel.shape[0], kernel.shape[-1]
    flat = jnp.concatenate(list(kernel), -1)

    def pass_plane(begun, plane):
        """begun: the sums of the outputs to which one, two .. planes have added."""
        parts = jnp.split(_convolve_plane(plane, flat), depth, axis=-1)
        sums = [parts[0], *(ours + part for ours, part in zip(begun, parts[1:]))]
        return sums[:-1], sums[-1]

    height, width = (extent - size + 1 for extent, size in zip(x.shape[2:4], kernel.shape[1:3]))
    begun = [jnp.zeros((len(x), height, width, features), x.dtype)] * (depth - 1)
    _, outputs = lax.scan(pass_plane, begun, jnp.moveaxis(x, 1, 0))
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
    padded = jnp.pad(gradient, ((0, 0), (depth, depth), *((side, side) for side in sides), (0, 0)))
    flipped = jnp.flip(kernel, (0, 1, 2)).swapaxes(3, 4)
    around = jnp.pad(gradient, ((0, 0), (depth, depth), (0, 0), (0, 0), (0, 0)))
    return _plane_by_plane(padded, flipped), _kernel_gradient(x, around, kernel.shape)


def _kernel_gradient(x: jax.Array, gradient: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Sums over planes of x [N, D, H, W, C], against gradient [N, D + d - 1, H', W', K], padded along the depth."""
    depth, high, wide, features_in, features = shape
    height, width = gradient.shape[2:4]
    gradient = jnp.moveaxis(gradient, 1, 0)

    def add_plane(total, index_and_plane):
        index, plane = index_and_plane
        depths = lax.dynamic_slice_in_dim(gradient, index, depth, 0)[::-1]
        depths = jnp.concatenate(list(depths), -1).reshape(-1, depth * features)
        shifts = [plane[:, i : i + height, j : j + width] for i in range(high) for j in range(wide)]
        return total + jnp.stack([shift.reshape(-1, features_in).T @ depths for shift in shifts]), None

    nothing = jnp.zeros((high * wide, features_in, depth * features), x.dtype)
    total, _ = lax.scan(add_plane, nothing, (jnp.arange(x.shape[1]), jnp.moveaxis(x, 1, 0)))
    return jnp.moveaxis(total.reshape(high, wide, features_in, depth, features), 3, 0)


_plane_by_plane.defvjp(_forward, _backward)
