"""Registers a scan to the template by an affine: a coarse search, then optimisation from coarse to fine.

Mutual information (Mattes et al. 2001) is computed only within the template's brain. The template has no skull, so that
voxels around its brain would stretch it out to the scan's scalp.
"""

import itertools

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dynjax.preprocess.bias import flatten
from dynjax.preprocess.image import shrink, to_array
from dynjax.preprocess.template import Template
from dynjax.volumes.finding import RefusedVolume

CENTRE = np.array([0.0, -18.0, 8.0])  # mm, MNI: the middle of the template's brain and the centre of its rotations
BELOW_TOP = 75.0  # mm from the top of a head to the middle of its brain
ANGLES = (-0.35, 0.0, 0.35)  # radians about each axis: rotations to start from
SHIFTS = (-20.0, 0.0, 20.0)  # mm up and down: translations to start from
STARTS = 3  # the best ones, which are optimised
MARGIN = 60.0  # mm of air around the scan, so that no part of the template falls outside the image
SCALES = (0.65, 1.55)  # limits of the scan's size relative to the template; adult heads are well within them


def find_rough(scan: sitk.Image, template: Template) -> sitk.AffineTransform:
    """Finds the affine from template to scan, mm to mm, to within a few mm, wherever the head is.

    Raises: RefusedVolume if the scan shows no head; RuntimeError if ITK fails.
    """
    coarse, target = _surrounded(flatten(shrink(scan, 6.0))), shrink(template.image, 6.0)
    starts = sorted(_starts(scan), key=lambda start: _evaluate(target, coarse, template.brain, start))
    followed = [sitk.Similarity3DTransform(start) for start in starts[:STARTS]]
    values = [_follow(target, coarse, template.brain, each, step=4.0) for each in followed]
    best = followed[int(np.argmin(values))]
    affine = sitk.AffineTransform(3)
    affine.SetCenter(best.GetCenter())
    affine.SetMatrix(best.GetMatrix())
    affine.SetTranslation(best.GetTranslation())
    finer = _surrounded(flatten(shrink(scan, 4.0)))
    _follow(shrink(template.image, 4.0), finer, template.brain, affine, step=2.0)
    return affine


def refine(scan: sitk.Image, template: Template, rough: sitk.AffineTransform) -> sitk.AffineTransform:
    """Refines the affine on a scan of about 2 mm without bias. Raises: RuntimeError if ITK fails."""
    affine = sitk.AffineTransform(rough)
    _follow(shrink(template.image, 2.0), scan, template.brain, affine, step=1.0, share=0.3)
    return affine


def matrix_of(affine: sitk.AffineTransform) -> np.ndarray:
    """Returns the matrix from scan to template, mm to mm, float64 [4, 4]. Raises: RefusedVolume if no head fits it."""
    linear, centre = np.array(affine.GetMatrix()).reshape(3, 3), np.array(affine.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    # ITK's affine is x -> linear (x - centre) + centre + translation, from the template to the scan.
    matrix[:3, 3] = centre + affine.GetTranslation() - linear @ centre
    scales = np.linalg.svd(linear, compute_uv=False)
    if scales.max() > SCALES[1] or scales.min() < SCALES[0]:
        text = f"{scales.min():.2f} to {scales.max():.2f} times as large as the template"
        raise RefusedVolume("registration", f"it cannot be registered: it would be {text}")
    return np.linalg.inv(matrix)


def _starts(scan: sitk.Image) -> list[sitk.Similarity3DTransform]:
    """Returns the transforms to start from: the template's brain below the top of the head, rotated and shifted."""
    middle = _middle(shrink(scan, 4.0))
    starts = []
    for *angles, shift in itertools.product(ANGLES, ANGLES, ANGLES, SHIFTS):
        start = sitk.Similarity3DTransform()
        start.SetCenter(CENTRE.tolist())
        start.SetMatrix(Rotation.from_euler("xyz", angles).as_matrix().ravel().tolist())
        start.SetTranslation((middle + (0, 0, shift) - CENTRE).tolist())
        starts.append(start)
    return starts


def _middle(scan: sitk.Image) -> np.ndarray:
    """Estimates the middle of the brain in mm, RAS+: BELOW_TOP below the highest voxels of the head."""
    data = to_array(scan)
    head = ndimage.binary_opening(data > 0.8 * data.mean())
    if not head.any():
        raise RefusedVolume("registration", "it cannot be registered: nothing in it is as large as a head")
    voxels = np.argwhere(head)  # [n, 3]
    x, y, _ = scan.TransformContinuousIndexToPhysicalPoint(voxels.mean(0).tolist())
    # A tilted scan's highest point need not be its highest voxel index: compare the mm of the 20 highest.
    highest = voxels[voxels[:, 2].argsort()[-20:]]
    top = max(scan.TransformIndexToPhysicalPoint(voxel.tolist())[2] for voxel in highest)
    return np.array([x, y, top - BELOW_TOP])


def _surrounded(image: sitk.Image) -> sitk.Image:
    margin = [round(MARGIN / side) for side in image.GetSpacing()]
    return sitk.ConstantPad(image, margin, margin, 0.0)


def _method(mask: sitk.Image, start: sitk.Transform) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(start, inPlace=True)
    return method


def _evaluate(target: sitk.Image, scan: sitk.Image, mask: sitk.Image, start: sitk.Transform) -> float:
    return _method(mask, start).MetricEvaluate(target, scan)


def _follow(target, scan, mask, transform, step: float, share: float = 1.0) -> float:
    """Optimises the transform in place on a `share` of the voxels; returns the metric, of which less is better."""
    method = _method(mask, transform)
    if share < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(share, seed=1)
    method.SetOptimizerAsRegularStepGradientDescent(step, 1e-3, 150, relaxationFactor=0.5)
    method.SetOptimizerScalesFromPhysicalShift()
    method.Execute(target, scan)
    return method.GetMetricValue()
