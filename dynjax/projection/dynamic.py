"""Dynamic images: a volume pooled along one axis with rank-pooling weights, in one pass over its voxels."""

import functools
import math
import operator

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.projection.weights import rank_pooling_weights

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}  # the array axis of x, y and z
GROUP = 11  # slices that a CPU reads at once; fewer or more were slower
PART = 55  # slices that an accelerator reads at once; given twice as many, XLA reads most of them twice


def dynamic_image(volume_or_batch, axis: str = "axial", weights: str = "simple") -> jax.Array:
    """Sums the slices of a volume, each multiplied by its weight (Bilen et al. 2016; the paper's equation 3).

    Args:
      volume_or_batch: [X, Y, Z] or [N, X, Y, Z] in RAS+, of any real dtype; a NumPy or JAX array.
      axis: 'axial' pools along z, 'coronal' along y, 'sagittal' along x.
      weights: a family of `rank_pooling_weights`.

    Returns: the raw sum, float32 [H, W] or [N, H, W], with the two remaining axes in their order.
    Raises: ValueError for a wrong number of dimensions, or an unknown axis or family.
    """
    if np.ndim(volume_or_batch) not in (3, 4):
        raise ValueError(f"a volume has 3 dimensions and a batch 4, not {np.ndim(volume_or_batch)}")
    if axis not in AXES:
        raise ValueError(f"unknown axis {axis!r}; choose one of {', '.join(AXES)}")
    position = AXES[axis]
    if _x_is_fastest(volume_or_batch):
        # NIfTI files and `load_volume` order voxels this way; the view [.., Z, Y, X] is contiguous without a copy.
        return jnp.swapaxes(_pool(_reversed(volume_or_batch), 2 - position, weights), -1, -2)
    return _pool(volume_or_batch, position, weights)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _pool(volumes: jax.Array, position: int, family: str) -> jax.Array:
    axis = volumes.ndim - 3 + position
    alpha = rank_pooling_weights(volumes.shape[axis], family).astype(np.float32)
    if axis == volumes.ndim - 1:
        # The pooled axis is contiguous, so a matrix-vector product reads memory at full speed.
        return jnp.matmul(volumes.astype(jnp.float32), alpha, precision=jax.lax.Precision.HIGHEST)
    on_cpu = functools.partial(_by_groups, alpha=alpha, axis=axis)
    default = functools.partial(_in_parts, alpha=alpha, axis=axis)
    return jax.lax.platform_dependent(volumes, cpu=on_cpu, default=default)


def _in_parts(volumes: jax.Array, alpha: np.ndarray, axis: int) -> jax.Array:
    """Pools slices flattened to rows, because a GPU then reads four voxels at a time."""
    before, after = volumes.shape[:axis], volumes.shape[axis + 1 :]
    rows = volumes.reshape(math.prod(before), len(alpha), math.prod(after))  # [.., T, ..]
    total, first = jnp.float32(0), 0
    for part in np.array_split(alpha, -(-len(alpha) // PART)):
        slices = jax.lax.slice_in_dim(rows, first, first + len(part), axis=1)
        # The barrier keeps XLA from fusing the parts into one.
        total = jax.lax.optimization_barrier(total + _at_once(slices, part, 1))
        first += len(part)
    return total.reshape(*before, *after)


def _at_once(volumes: jax.Array, alpha: np.ndarray, axis: int) -> jax.Array:
    """Writes the weighted sum out slice by slice, so that XLA reads all slices in one loop over their voxels."""

    def term(t: int) -> jax.Array:
        return float(alpha[t]) * jax.lax.index_in_dim(volumes, t, axis, keepdims=False).astype(jnp.float32)

    return functools.reduce(operator.add, map(term, range(len(alpha))))


def _by_groups(volumes: jax.Array, alpha: np.ndarray, axis: int) -> jax.Array:
    """Pools GROUP slices per step of a loop: reading all slices at once is slow, from so many places in memory."""
    first = len(alpha) % GROUP or min(GROUP, len(alpha))  # slices before the loop, so that whole groups remain
    start = _at_once(volumes, alpha[:first], axis)
    weights = jnp.asarray(alpha)

    def add_group(group, total):
        def term(t: jax.Array) -> jax.Array:
            each = jax.lax.dynamic_index_in_dim(volumes, t, axis, keepdims=False)
            return weights[t] * each.astype(jnp.float32)

        places = [first + GROUP * group + i for i in range(GROUP)]
        return total + functools.reduce(operator.add, map(term, places))

    return jax.lax.fori_loop(0, (len(alpha) - first) // GROUP, add_group, start)


def _x_is_fastest(volumes) -> bool:
    """Whether a NumPy array's x axis is contiguous in memory, and z the outermost."""
    return isinstance(volumes, np.ndarray) and _reversed(volumes).flags.c_contiguous and not volumes.flags.c_contiguous


def _reversed(volumes: np.ndarray) -> np.ndarray:
    """Returns the view [.., Z, Y, X] of volumes [.., X, Y, Z]."""
    return np.moveaxis(volumes, (-1, -2, -3), (-3, -2, -1))
