"""Scales raw projections, or whole volumes, to the input range of a network, each by itself."""

import warnings

import numpy as np

SCALES = ("imagenet", "unit", "byte")
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def scale_volumes(volumes: np.ndarray) -> np.ndarray:
    """Divides each volume [N, X, Y, Z] by its maximum (Korolev et al. 2017); returns float32 [N, X, Y, Z, 1]."""
    largest = volumes.max((1, 2, 3), keepdims=True)
    return (volumes / np.where(largest == 0, 1, largest))[..., None].astype(np.float32, copy=False)


def scale_images(images: np.ndarray, scale: str = "imagenet") -> np.ndarray:
    """Stretches each image from its own minimum and maximum to a fixed range.

    A constant image becomes zeros, with a warning. Each channel of images [N, H, W, 3] is stretched by itself.

    Args:
      images: [N, H, W] or [N, H, W, 3], or one image [H, W].
      scale: 'unit' gives [0, 1]; 'byte' gives 0..255 truncated to whole numbers, as the released code does; 'imagenet'
        gives [0, 1], less the mean of each ImageNet channel, divided by its standard deviation.

    Returns: float32 [N, H, W, 1], or [N, H, W, 3] for three channels or 'imagenet'; of one image without the N.
    Raises: ValueError for an unknown scale, or a wrong number of dimensions.
    """
    if np.ndim(images) not in (2, 3, 4):
        raise ValueError(f"images are [N, H, W] or [N, H, W, 3], and one image is [H, W], not {np.ndim(images)}-D")
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}; choose one of {', '.join(SCALES)}")
    images = np.asarray(images, np.float32)
    if images.ndim == 2:
        return scale_images(images[None], scale)[0]
    images = images[..., None] if images.ndim == 3 else images
    low = images.min((1, 2), keepdims=True)
    extent = images.max((1, 2), keepdims=True) - low
    constant = extent == 0
    if constant.any():
        count = constant.any(-1).sum()
        warnings.warn(f"{count} of {len(images)} images are constant and become zeros", stacklevel=2)
    unit = (images - low) / np.where(constant, 1, extent)
    if scale == "byte":
        return np.floor(unit * 255)
    if scale == "unit":
        return unit
    return np.where(constant, np.float32(0), (unit - IMAGENET_MEAN) / IMAGENET_DEVIATION)


def scale_views(views: np.ndarray, slabs: int, scale: str = "imagenet") -> np.ndarray:
    """Stretches views [N, V, H, W] as `scale_images` does, but the slabs of a plane, which are consecutive, together.

    One minimum and maximum for a plane keep an almost empty slab almost empty. Stretched by itself, it would be noise.

    Returns: float32 [N, V, H, W, 1], or [N, V, H, W, 3] for 'imagenet'.
    """
    count, views_each, height, width = views.shape
    planes = views.reshape(-1, slabs * height, width)  # the slabs of a plane one below the other
    return scale_images(planes, scale).reshape(count, views_each, height, width, -1)
