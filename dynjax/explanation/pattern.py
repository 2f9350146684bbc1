"""The pattern of a linear model of voxels: what varies with its answer, where its weights only tell how to read it."""

from collections.abc import Iterable

import numpy as np


def activation_pattern(volumes: Iterable[np.ndarray], scores: np.ndarray) -> np.ndarray:
    """Returns the covariance of each voxel with the scores over their variance, float64 [X, Y, Z] (Haufe et al. 2014).

    It is by how much a voxel changes for each unit of the score. A weight may be large only to cancel noise.

    Args: volumes, those on which the model was fitted, one at a time; scores [N], the model's values of them.
    """
    centred = scores - scores.mean()
    total: np.ndarray | float = 0.0
    for volume, score in zip(volumes, centred):
        total = total + score * volume.astype(np.float64)
    return np.asarray(total) / max(float((centred**2).sum()), np.finfo(np.float64).tiny)
