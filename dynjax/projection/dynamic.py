"""Dynamic images: a volume pooled along one axis with rank-pooling weights, in one pass over its voxels."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.projection.weights import rank_pooling_weights

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}  # the position of x, y and z in a volume
GROUP = 11  # slices summed in one expression: fewer or more were slower on a CPU


def dynamic_image(volume_or_batch, axis: str = "axial", weights: str = "simple") -> jax.Array:
    """Sums the slices of a volume, each times its weight (Bilen et al. 2016; the paper's equation 3).

    Args:
      volume_or_batch: [X, Y, Z] or [N, X, Y, Z] in RAS+, any real dtype, numpy's or JAX's.
      axis: 'axial' pools along z, 'coronal' along y, 'sagittal' along x.
      weights: a family of `rank_pooling_weights`.

    Returns: the raw sum, float32, [H, W] or [N, H, W]: the two remaining axes in their order.
    Raises: ValueError for another number of dimensions, or an unknown axis or family.
    """
    if np.ndim(volume_or_batch) not in (3, 4):
        raise ValueError(f"a volume has 3 dimensions and a batch 4, not {np.ndim(volume_or_batch)}")
    if axis not in AXES:
        raise ValueError(f"axis {axis!r} is not known; choose one of {', '.join(AXES)}")
    position = AXES[axis]
    if _x_is_fastest(volume_or_batch):
        # As NIfTI files and `load_volume` order it: pooled as [.., Z, Y, X], a view that is contiguous as it stands.
        return jnp.swapaxes(_pool(_reversed(volume_or_batch), 2 - position, weights), -1, -2)
    return _pool(volume_or_batch, position, weights)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _pool(volumes: jax.Array, position: int, family: str) -> jax.Array:
    axis = volumes.ndim - 3 + position
    alpha = rank_pooling_weights(volumes.shape[axis], family).astype(np.float32)
    if axis == volumes.ndim - 1:  # the weights lie along memory: a matrix-vector product reads it at full speed
        return jnp.matmul(volumes.astype(jnp.float32), alpha, precision=jax.lax.Precision.HIGHEST)
    terms = [
        float(a) * jax.lax.index_in_dim(volumes, t, axis, keepdims=False).astype(jnp.float32)
        for t, a in enumerate(alpha)
    ]
    groups = [functools.reduce(operator.add, terms[i : i + GROUP]) for i in range(0, len(terms), GROUP)]
    return functools.reduce(operator.add, groups)


def _x_is_fastest(volumes) -> bool:
    return isinstance(volumes, np.ndarray) and _reversed(volumes).flags.c_contiguous and not volumes.flags.c_contiguous


def _reversed(volumes: np.ndarray) -> np.ndarray:
    return np.moveaxis(volumes, (-1, -2, -3), (-3, -2, -1))
