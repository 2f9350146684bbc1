"""3D convolution without padding, as one pass over the depth planes: XLA's own is slow on a CPU, its gradients slower.

A plane is convolved in 2D with the kernel's depths side by side as output channels, and what it adds to the outputs
before and after it is carried along. So no more than a plane of a volume is ever unfolded.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
from jax import lax

PLANES = ("NHWC", "HWIO", "NHWC")
SIZE = 3  # of the kernels


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def conv3d(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """x [N, D, H, W, C] with kernel [3, 3, 3, C, K] -> [N, D', H', W', K]."""
    if stride > 1:
        return lax.conv_general_dilated(
            x, kernel, (stride,) * 3, "VALID", dimension_numbers=("NDHWC", "DHWIO", "NDHWC")
        )
    channels = kernel.shape[-1]
    flat = kernel.transpose(1, 2, 3, 0, 4).reshape(SIZE, SIZE, x.shape[-1], SIZE * channels)

    def pass_plane(begun, plane):
        """begun: the sums of the outputs to which one and two planes have added."""
        product = lax.conv_general_dilated(plane, flat, (1, 1), "VALID", dimension_numbers=PLANES)
        first, second, third = jnp.split(product, SIZE, axis=-1)
        return (first, begun[0] + second), begun[1] + third

    nothing = jnp.zeros((len(x), x.shape[2] - 2, x.shape[3] - 2, channels), x.dtype)
    _, outputs = lax.scan(pass_plane, (nothing, nothing), jnp.moveaxis(x, 1, 0))
    return jnp.moveaxis(outputs[2:], 0, 1)


def _forward(x, kernel, stride):
    return conv3d(x, kernel, stride), (x, kernel)


def _backward(stride, saved, gradient):
    x, kernel = saved
    if stride > 1:
        return _strided_backward(x, kernel, stride, gradient)
    padded = jnp.pad(gradient, ((0, 0), (2, 2), (2, 2), (2, 2), (0, 0)))
    flipped = jnp.flip(kernel, (0, 1, 2)).swapaxes(3, 4)
    return conv3d(padded, flipped, 1), _kernel_gradient(x, padded[:, :, 2:-2, 2:-2])


def _kernel_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """Sums over planes of x [N, D, H, W, C], against gradient [N, D + 2, H - 2, W - 2, K], two planes of padding."""
    height, width, wide_in, wide = *gradient.shape[2:4], x.shape[-1], gradient.shape[-1]
    gradient = jnp.moveaxis(gradient, 1, 0)

    def add_plane(total, index_and_plane):
        index, plane = index_and_plane
        depths = lax.dynamic_slice_in_dim(gradient, index, SIZE, 0)[::-1]
        depths = jnp.concatenate(list(depths), -1).reshape(-1, SIZE * wide)
        columns = jnp.concatenate([plane[:, :, j : j + width] for j in range(SIZE)], -1)
        rows = [columns[:, i : i + height].reshape(-1, SIZE * wide_in) for i in range(SIZE)]
        return total + jnp.stack([depths.T @ row for row in rows]), None

    nothing = jnp.zeros((SIZE, SIZE * wide, SIZE * wide_in), x.dtype)
    total, _ = lax.scan(add_plane, nothing, (jnp.arange(x.shape[1]), jnp.moveaxis(x, 1, 0)))
    return total.reshape(SIZE, SIZE, wide, SIZE, wide_in).transpose(1, 0, 3, 4, 2)


def _strided_backward(x, kernel, stride, gradient):
    """A product for each of the 27 places of the kernel: what it read, and where its share of the gradient goes."""
    ends = [stride * (size - 1) + 1 for size in gradient.shape[1:4]]
    flat = gradient.reshape(-1, gradient.shape[-1])
    x_gradient, products = jnp.zeros_like(x), []
    for place in itertools.product(range(SIZE), repeat=3):
        read = (slice(None), *(slice(start, start + end, stride) for start, end in zip(place, ends)))
        x_gradient = x_gradient.at[read].add(gradient @ kernel[place].T)
        products.append(flat.T @ x[read].reshape(-1, x.shape[-1]))
    return x_gradient, jnp.stack(products).swapaxes(1, 2).reshape(kernel.shape)


conv3d.defvjp(_forward, _backward)
