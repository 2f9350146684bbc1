"""Reduces a volume to the means of coarse blocks, a picture that noise hardly changes; removes intensity scales."""

import numpy as np

SIDE = 16  # blocks along each axis of a reduced volume


def block_means(volume: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Returns the means of side^3 blocks of a volume [X, Y, Z], each at least `side`, as float32 [side^3]."""
    starts = [np.arange(side) * size // side for size in volume.shape]  # per axis, the first voxel of each block
    sums = volume
    for axis, start in enumerate(starts):
        sums = np.add.reduceat(sums, start, axis=axis)  # [side, side, side] after the last axis
    x, y, z = (np.diff(start, append=size) for start, size in zip(starts, volume.shape))  # block widths, each [side]
    voxels = x[:, None, None] * y[:, None] * z  # [side, side, side]
    return (sums / voxels).astype(np.float32).ravel()


def standardised(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors [..., D] with mean 0 and length 1."""
    # The mean is summed in float64: a volume has more than a million voxels.
    return normalised(vectors - vectors.mean(-1, keepdims=True, dtype=np.float64).astype(np.float32))


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Divides vectors [..., D] by their lengths; a vector of length 0 stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)
