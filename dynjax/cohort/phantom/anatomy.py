"""The anatomy of all phantom subjects: ICBM 2009a tissue maps, and distances to the edges that disease moves."""

import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.processing import resample_from_to
from scipy import ndimage

SHAPE = (110, 110, 110)
AFFINE = np.array([[2.0, 0, 0, -109], [0, 2, 0, -127], [0, 0, 2, -89], [0, 0, 0, 1]])
VOXEL = 2.0  # mm

# The axis of the right temporal horn of the lateral ventricles, as points that a tube joins (mm, MNI).
TEMPORAL_HORN = ((33, -6, -22), (34, -20, -15), (31, -34, -6))


class Anatomy(NamedTuple):
    """Fields on the phantom's grid, each float32 of shape `SHAPE`. Distances are in mm, negative inside."""

    grey: np.ndarray
    white: np.ndarray
    fluid: np.ndarray  # cerebrospinal fluid outside the lateral ventricles
    to_ventricles: np.ndarray
    to_temporal_horns: np.ndarray
    below_pia: np.ndarray  # depth of a voxel under the nearest fluid or the brain's edge
    outside_brain: np.ndarray  # height above the brain, for skull and scalp
    near_brain: np.ndarray  # bool: the brain and the voxels next to it; all others of a scan without skull are 0


@functools.cache
def load_anatomy() -> Anatomy:
    """Builds the anatomy from nilearn's copy of the ICBM 2009a symmetric template (Fonov et al. 2011)."""
    with ThreadPoolExecutor() as pool:
        head, grey, white = pool.map(_on_grid, _template_loaders())
        brain = ndimage.binary_fill_holes(head > 0.2)
        fluid = np.clip(brain - grey - white, 0, 1)
        ventricles = _lateral_ventricles(fluid, brain)
        edges = (ventricles, brain & ((fluid < 0.5) | ventricles), brain)
        to_ventricles, to_pia, outside_brain = pool.map(_signed_distance, edges)
    return Anatomy(
        grey=grey * brain,
        white=white * brain,
        fluid=fluid * (to_ventricles > VOXEL),
        to_ventricles=to_ventricles,
        to_temporal_horns=_distance_to_tubes(TEMPORAL_HORN),
        below_pia=-to_pia,
        outside_brain=outside_brain,
        near_brain=ndimage.binary_dilation(brain, np.ones((3, 3, 3))),
    )


def _template_loaders():
    from nilearn import datasets  # slow to import, and only the phantom cohort needs it

    return (datasets.load_mni152_template, datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)


def _on_grid(load) -> np.ndarray:
    template = load(resolution=1)
    # Smoothed against aliasing: its 1 mm voxels are sampled every 2 mm.
    smooth = ndimage.gaussian_filter(template.get_fdata(dtype=np.float32), 0.8)
    image = resample_from_to(nibabel.Nifti1Image(smooth, template.affine), (SHAPE, AFFINE), order=1)
    return np.asarray(image.dataobj, np.float32)


def _millimetres() -> list[np.ndarray]:
    """Returns the x, y and z of the voxel centres in mm, each broadcastable to `SHAPE`."""
    # AFFINE's origin and voxels, written out
    return list(np.ogrid[-109:111:2.0, -127:93:2.0, -89:131:2.0])


def _lateral_ventricles(fluid: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Segments the lateral ventricles, bool [X, Y, Z]: large connected parts of the fluid deep in the brain."""
    x, y, z = _millimetres()
    deep = ndimage.distance_transform_edt(brain) * VOXEL > 24
    box = (abs(x) < 40) & (y > -52) & (y < 40) & (z > -4) & (z < 34)
    parts, _ = ndimage.label((fluid > 0.5) & deep & box)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0  # the background
    return np.isin(parts, np.flatnonzero(sizes > 0.2 * sizes.max()))


def _signed_distance(region: np.ndarray) -> np.ndarray:
    """Returns the smoothed distance to the region's edge in mm, float32 [X, Y, Z], positive outside."""
    outside = ndimage.distance_transform_edt(~region)
    inside = ndimage.distance_transform_edt(region)
    return ndimage.gaussian_filter((VOXEL * (outside - inside)).astype(np.float32), 0.7)


def _distance_to_tubes(points) -> np.ndarray:
    """Returns the distance in mm to the line through the points or its mirror image, float32 [X, Y, Z]."""
    x, y, z = _millimetres()
    nearest = np.full(SHAPE, np.inf, np.float32)
    for start, end in itertools.pairwise(points):
        axis = np.subtract(end, start)
        offset = [abs(x) - start[0], y - start[1], z - start[2]]  # |x| mirrors the left hemisphere onto the right
        # The fraction of the segment at which it is nearest to a voxel, [X, Y, Z].
        along = np.clip(sum(o * a for o, a in zip(offset, axis)) / (axis @ axis), 0, 1)
        distance = np.sqrt(sum((o - along * a) ** 2 for o, a in zip(offset, axis)))
        nearest = np.minimum(nearest, distance.astype(np.float32))
    return nearest
