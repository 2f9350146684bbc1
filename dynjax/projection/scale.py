"""From the raw sums of projection to what a network takes in, image by image."""

import warnings

import numpy as np

SCALES = ("imagenet", "unit", "byte")
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def scale_images(images: np.ndarray, scale: str = "imagenet") -> np.ndarray:
    """Stretches each image [N, H, W] to its own minimum and maximum; a constant one gives zeros and a warning.

    'unit' gives [0, 1], 'byte' 0..255 truncated to whole numbers (as the authors' released code does), both
    [N, H, W, 1]; 'imagenet' gives [N, H, W, 3], [0, 1] less the mean of ImageNet's channels over their deviation.

    Returns: float32. Raises: ValueError for an unknown scale.
    """
    if scale not in SCALES:
        raise ValueError(f"scale {scale!r} is not known; choose one of {', '.join(SCALES)}")
    images = np.asarray(images, np.float32)
    low = images.min((1, 2), keepdims=True)
    extent = images.max((1, 2), keepdims=True) - low
    constant = np.flatnonzero(extent == 0)
    if len(constant):
        warnings.warn(f"{len(constant)} of {len(images)} images are constant and become zeros", stacklevel=2)
    unit = ((images - low) / np.where(extent == 0, 1, extent))[..., None]
    if scale == "byte":
        return np.floor(unit * 255)
    if scale == "unit":
        return unit
    scaled = (unit - IMAGENET_MEAN) / IMAGENET_DEVIATION
    scaled[constant] = 0
    return scaled
