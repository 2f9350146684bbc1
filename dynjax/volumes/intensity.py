"""Finds the range of intensities by which volumes of different units are compared."""

import numpy as np

BRIGHT = 99  # percentile of all voxels, air included: about white matter, and no single bright voxel


def intensity_range(volume: np.ndarray) -> tuple[float, float]:
    """Returns the minimum of a volume, and how far above it percentile BRIGHT lies, or else its maximum, or else 1."""
    low, high = float(volume.min()), float(np.percentile(volume, BRIGHT))
    return low, (high if high > low else float(volume.max())) - low or 1.0
