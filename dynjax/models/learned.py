"""A projection that is learned with the network: one weight per slice, initially those of the dynamic image."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dynjax.projection.dynamic import AXES
from dynjax.projection.scale import IMAGENET_DEVIATION, IMAGENET_MEAN
from dynjax.projection.weights import rank_pooling_weights


class LearnedPooling(nnx.Module):
    """Pools volumes [N, X, Y, Z, 1] into images [N, H, W, 1 or 3], stretched and scaled as `scale_images` does.

    The parameter holds the weights divided by T - 1, initially from -1 to 1, so that an optimizer step changes them as
    much as other parameters; stretching removes the factor. 'byte' is not truncated, which would stop gradients.
    """

    def __init__(self, size: tuple[int, ...], axis: str, scale: str):
        self.position, self.scale = AXES[axis], scale
        self.length = size[self.position]
        self.share = nnx.Param(jnp.asarray(rank_pooling_weights(self.length) / (self.length - 1), jnp.float32))

    @property
    def weights(self) -> jax.Array:
        """The weights of the slices, float32 [T]; initially 2t - T - 1."""
        return self.share[...] * (self.length - 1)

    def __call__(self, volumes: jax.Array) -> jax.Array:
        slices = jnp.moveaxis(volumes[..., 0], self.position + 1, -1)  # [N, H, W, T]
        image = jnp.matmul(slices, self.weights, precision=jax.lax.Precision.HIGHEST)  # [N, H, W]
        low = image.min((1, 2), keepdims=True)
        extent = image.max((1, 2), keepdims=True) - low
        unit = ((image - low) / jnp.where(extent == 0, 1, extent))[..., None]
        if self.scale == "byte":
            return unit * 255
        if self.scale == "unit":
            return unit
        mean, deviation = (np.reshape(value, (1, 1, 1, 3)) for value in (IMAGENET_MEAN, IMAGENET_DEVIATION))
        return jnp.where(extent[..., None] == 0, 0, (unit - mean) / deviation)
