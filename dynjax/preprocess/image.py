"""Converts volumes to SimpleITK images. Their physical space is RAS+ mm throughout, instead of ITK's usual LPS."""

import numpy as np
import SimpleITK as sitk

sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # for reproducible sums; scans run in parallel instead


def to_image(data: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """Converts an array [X, Y, Z] to an image whose physical points follow the affine, voxel index to mm."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image


def to_image_like(image: sitk.Image, data: np.ndarray) -> sitk.Image:
    """Converts an array [X, Y, Z] to an image with the physical points of another image."""
    result = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    result.CopyInformation(image)
    return result


def to_array(image: sitk.Image) -> np.ndarray:
    """Returns the voxels of an image, [X, Y, Z]."""
    return sitk.GetArrayFromImage(image).T


def shrink(image: sitk.Image, size: float) -> sitk.Image:
    """Averages blocks of voxels to sides of about `size` mm; changes only images that are finer."""
    return sitk.BinShrink(image, [max(round(size / side), 1) for side in image.GetSpacing()])
