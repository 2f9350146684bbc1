"""Volumes as SimpleITK's images. Their physical space is RAS+ mm throughout, which ITK takes as well as its own LPS."""

import numpy as np
import SimpleITK as sitk

sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # sums in one order, so the same result; scans run in parallel


def to_image(data: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """An image of [X, Y, Z] whose physical points are those of the affine, voxel index to mm."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image


def to_image_like(image: sitk.Image, data: np.ndarray) -> sitk.Image:
    """Of [X, Y, Z] with the physical points of another image."""
    result = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    result.CopyInformation(image)
    return result


def to_array(image: sitk.Image) -> np.ndarray:
    """[X, Y, Z]"""
    return sitk.GetArrayFromImage(image).T


def shrink(image: sitk.Image, size: float) -> sitk.Image:
    """Averages blocks of voxels, so that their sides are about `size` mm; finer images alone are changed."""
    return sitk.BinShrink(image, [max(round(size / side), 1) for side in image.GetSpacing()])
