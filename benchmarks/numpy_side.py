"""What one writes with numpy and nibabel alone."""

import nibabel
import numpy as np

from benchmarks.scans import phantom_scans, stored_volumes
from benchmarks.turns import Work
from dynjax.projection.weights import rank_pooling_weights


def dynamic_image(count: int, extent: int, dtype: str) -> Work:
    slices = stored_volumes(count, extent, dtype).reshape(count, extent, -1)
    weights = rank_pooling_weights(extent).astype(np.float32)
    return Work(lambda times: [weights @ slices.astype(np.float32, copy=False) for _ in range(times)], {})


def load_volume() -> Work:
    (path,) = phantom_scans(1)
    return Work(lambda times: [_read(path) for _ in range(times)], {})


def project(count: int) -> Work:
    """Scan after scan, nothing checked and nothing stored."""
    paths = phantom_scans(count)
    return Work(lambda times: [[_project(_read(path)) for path in paths] for _ in range(times)], {})


def _read(path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj, np.float32)


def _project(volume: np.ndarray) -> np.ndarray:
    weights = rank_pooling_weights(volume.shape[2]).astype(np.float32)
    return (weights @ volume.T.reshape(len(weights), -1)).reshape(volume.shape[1::-1]).T
