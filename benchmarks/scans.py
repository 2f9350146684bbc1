"""Makes the data of the benchmarks: phantom scans as files, and random images, volumes and labels."""

from pathlib import Path

import numpy as np

SUBJECTS = 12


def phantom_scans(count: int) -> list[Path]:
    """Returns compressed NIfTI files of synthetic subjects, made if they are not in the cache."""
    from dynjax.cohort.phantom.download import phantom_cohort

    return sorted(phantom_cohort(SUBJECTS).rglob("*.nii.gz"))[:count]


def examples(count: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Draws random examples, float32 [N, *shape], and alternating labels, int32 [N]."""
    data = np.random.default_rng(0).standard_normal((count, *shape), np.float32)
    return data, np.arange(count, dtype=np.int32) % 2


def stored_volumes(count: int, extent: int, dtype: str) -> np.ndarray:
    """Draws volumes [N, Z, Y, X], x fastest as in files, at an address that JAX accepts without a copy."""
    shape = (count, extent, extent, extent)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    offset = -memory.ctypes.data % 64  # XLA:CPU copies arrays that are not aligned to 64 bytes
    array = memory[offset : offset + size].view(dtype).reshape(shape)
    array[:] = np.random.default_rng(0).integers(0, 1000, shape[1:])
    return array
