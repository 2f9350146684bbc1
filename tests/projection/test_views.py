"""Views: an axis cut into slabs, planes and projections joined; one view is the image that stood before."""

import hashlib
import json

import numpy as np
import pytest

from dynjax.projection.dynamic import AXES, dynamic_image
from dynjax.projection.project import POOLINGS, count_views, image_shape, project
from dynjax.projection.scale import scale_images, scale_views
from dynjax.projection.store import RECIPE, Projection, projection_key

VOLUME = np.random.default_rng(0).normal(1, 1, (9, 11, 7)).astype(np.float32)
CUBE = VOLUME[:7, :7, :7]
PLANES = "axial+coronal+sagittal"


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["dynamic", "max", "mean", "ranksvm", "svr"])
def test_one_view_is_what_stood_before_to_the_byte(name, axis):
    before = dynamic_image(VOLUME, axis) if name == "dynamic" else POOLINGS[name](VOLUME, AXES[axis])
    image = project(VOLUME, name, axis)
    assert image.ndim == 2 and image.tobytes() == np.asarray(before, np.float32).tobytes()
    assert scale_images(image[None]).tobytes() == scale_views(image[None, None], 1)[:, 0].tobytes()


def test_one_view_is_stored_where_it_was():
    """The name of what an earlier version stored, which knew no slabs."""
    projection = Projection()
    before = json.dumps([RECIPE, *projection[:-1]])
    assert projection._fields[-1] == "slabs"
    assert projection_key(projection) == hashlib.sha256(before.encode()).hexdigest()[:16]
    assert projection_key(projection._replace(slabs=2)) != projection_key(projection)


@pytest.mark.parametrize("weights", ["simple", "harmonic", "released"])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["dynamic", "max", "mean", "ranksvm", "svr"])
def test_each_slab_is_projected_by_itself(name, axis, weights):
    slabs = project(VOLUME, name, axis, weights, slabs=3)
    size = VOLUME.shape[AXES[axis]]
    ends = np.cumsum([0, *(size // 3 + (part < size % 3) for part in range(3))])  # the first ones are thicker
    for part, image in enumerate(slabs):
        own = VOLUME.take(range(ends[part], ends[part + 1]), AXES[axis])
        np.testing.assert_allclose(image, project(own, name, axis, weights), rtol=1e-5, atol=1e-5)


def test_projections_then_planes_then_slabs():
    views = project(CUBE, "dynamic+mean", PLANES, slabs=2)
    assert views.shape == image_shape(CUBE.shape, PLANES, "dynamic+mean", 2) == (12, 7, 7)
    expected = [project(CUBE, name, axis, slabs=2) for name in ("dynamic", "mean") for axis in PLANES.split("+")]
    np.testing.assert_array_equal(views, np.concatenate(expected))
    assert count_views("dynamic+mean", PLANES, 2) == 12 and count_views("max", "axial", 1) == 1


@pytest.mark.parametrize("name", ["dynamic", "max", "mean"])
def test_planes_of_other_shapes_lie_among_background(name):
    volume = VOLUME - VOLUME.min()  # its background is 0
    views = project(volume, name, PLANES)
    assert views.shape == (3, 11, 11)
    for view, axis, shape in zip(views, PLANES.split("+"), [(9, 11), (9, 7), (11, 7)]):
        top, left = ((whole - own) // 2 for whole, own in zip(view.shape, shape))
        inside = view[top : top + shape[0], left : left + shape[1]]
        np.testing.assert_allclose(inside, project(volume, name, axis), rtol=1e-5, atol=1e-4)
        assert np.abs(view).sum() == pytest.approx(np.abs(inside).sum(), rel=1e-5)


def test_background_that_is_not_zero_surrounds_as_it_is_projected():
    views = project(VOLUME, "dynamic", PLANES, "harmonic")
    alone = project(np.full((1, 1, 7), VOLUME.min()), "dynamic", "axial", "harmonic")
    np.testing.assert_allclose(views[0, 0], alone[0, 0], rtol=1e-4)  # above the nine rows of the axial plane


def test_the_slabs_of_a_plane_have_one_scale():
    views = np.random.default_rng(1).random((2, 6, 5, 4), np.float32)
    views[:, 1] = 0.5 + 1e-3 * views[:, 1]  # almost empty
    views[:, 0, 0, :2] = views[:, 3, 0, :2] = [0, 1]
    scaled = scale_views(views, 3, "unit")
    assert scaled.shape == (2, 6, 5, 4, 1)
    for plane in (slice(0, 3), slice(3, 6)):
        np.testing.assert_allclose(scaled[:, plane].min((1, 2, 3, 4)), 0)
        np.testing.assert_allclose(scaled[:, plane].max((1, 2, 3, 4)), 1)
    assert np.ptp(scaled[:, 1]) < 3e-3 and np.ptp(scale_images(views[0, 1:2], "unit")) == 1
    assert scale_views(views, 3).shape == (2, 6, 5, 4, 3)


def test_more_slabs_than_slices():
    with pytest.raises(ValueError, match="7 slices cannot be cut into 8 slabs"):
        project(VOLUME, "mean", "axial", slabs=8)
