"""Removes the bias field, a slow change of brightness over a scan: roughly, or by N4 (Tustison et al. 2010)."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from dynjax.preprocess.image import shrink, to_array, to_image_like

ITERATIONS = (30, 30, 20)  # of each level; each level doubles the field's control points
CONVERGED = 1e-4  # N4's convergence threshold
AROUND = 20.0  # mm, deviation of the Gaussian that `flatten` averages with


def flatten(scan: sitk.Image) -> sitk.Image:
    """Divides a scan by the mean of the head around each voxel: enough for the search, before the brain is known."""
    data = to_array(scan)  # [X, Y, Z]
    head = (data > 0.5 * data.mean()).astype(np.float32)
    width = [AROUND / side for side in scan.GetSpacing()]
    share = np.maximum(ndimage.gaussian_filter(head, width), 0.02)
    # A Gaussian mean over the head only; the lower bounds avoid division by almost 0 in air.
    mean = np.maximum(ndimage.gaussian_filter(data * head, width) / share, 0.2 * data.mean())
    return to_image_like(scan, data / mean)


def log_bias(scan: sitk.Image, brain: sitk.Image) -> sitk.Image:
    """Estimates the logarithm of the bias field, float32 on voxels of about 4 mm, from voxels where `brain` is 1."""
    small = sitk.Clamp(shrink(scan, 4.0), sitk.sitkFloat32, 1e-3)
    mask = sitk.Resample(brain, small, sitk.Transform(), sitk.sitkNearestNeighbor)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.SetConvergenceThreshold(CONVERGED)
    n4.Execute(small, mask)
    return sitk.Cast(n4.GetLogBiasFieldAsImage(small), sitk.sitkFloat32)


def without(scan: sitk.Image, bias: sitk.Image) -> sitk.Image:
    """Divides a scan by its bias field, given as a logarithm; outside the image `bias` the field is 1."""
    on_scan = sitk.Resample(bias, scan, sitk.Transform(), sitk.sitkLinear, 0.0)
    return sitk.Divide(scan, sitk.Exp(on_scan))
