"""NumPy's side of the benchmarks: what one would write with only NumPy and nibabel."""

import nibabel
import numpy as np

from benchmarks.scans import phantom_scans, stored_volumes
from benchmarks.turns import Work
from dynjax.projection.weights import rank_pooling_weights


def dynamic_image(count: int, extent: int, dtype: str) -> Work:
    """Multiplies the rank-pooling weights with the slices of each volume."""
    slices = stored_volumes(count, extent, dtype).reshape(count, extent, -1)
    weights = rank_pooling_weights(extent).astype(np.float32)
    return Work(lambda times: [weights @ slices.astype(np.float32, copy=False) for _ in range(times)], {})


def load_volume() -> Work:
    """Reads one phantom scan with nibabel."""
    (path,) = phantom_scans(1)
    return Work(lambda times: [_read(path) for _ in range(times)], {})


def project(count: int) -> Work:
    """Projects scan after scan, without checks and without a store."""
    paths = phantom_scans(count)
    return Work(lambda times: [[_project(_read(path)) for path in paths] for _ in range(times)], {})


def _read(path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj, np.float32)


def _project(volume: np.ndarray) -> np.ndarray:
    weights = rank_pooling_weights(volume.shape[2]).astype(np.float32)
    return (weights @ volume.T.reshape(len(weights), -1)).reshape(volume.shape[1::-1]).T
