"""Carries slopes of pixels back to voxels: sums, signs and places hold, for every projection made of voxels."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from configs.base import experiment
from dynjax.explanation.voxels import attribute, interpolate, paint, views_of
from dynjax.explanation.window import window_of, window_of_volume
from dynjax.projection.project import image_size, project
from dynjax.run import settings
from dynjax.run.inputs import scale

GRID = (12, 15, 13)
PROJECTIONS = [  # name, axis, family, slabs
    *(("dynamic", axis, "simple", 1) for axis in ("axial", "coronal", "sagittal", "axial+coronal+sagittal")),
    ("dynamic", "axial", "harmonic", 1),
    ("dynamic", "axial", "released", 4),
    ("mean", "coronal", "simple", 1),
    ("mean", "axial+coronal+sagittal", "simple", 4),
    ("mean+dynamic", "sagittal", "simple", 3),
    ("max", "axial", "simple", 1),
    ("max+mean", "coronal+axial", "simple", 2),
]


def volumes(grid=GRID):
    """Two volumes whose minimum, which surrounds smaller planes, is the same."""
    rng = np.random.default_rng(0)
    drawn = rng.uniform(1, 9, (2, *grid)).astype(np.float32)
    drawn[:, 0, 0, 0] = 0
    return drawn


@pytest.mark.parametrize(("name", "axis", "family", "slabs"), PROJECTIONS)
def test_shares_add_up_to_what_the_pixels_change(name, axis, family, slabs):
    volume, reference = volumes()
    raw, other = (project(each, name, axis, family, slabs) for each in (volume, reference))
    slopes = np.random.default_rng(1).normal(size=raw.shape)
    views = views_of(GRID, name, axis, family, slabs)
    found = attribute(slopes, volume, reference, views, image_size(GRID, axis))
    assert found.sum() == pytest.approx(float((slopes * (raw - other)).sum()), rel=1e-4)


def test_shares_of_three_planes_as_channels():
    volume, reference = volumes((9, 9, 9))
    raw, other = (project(each, "dynamic", "triplanar") for each in (volume, reference))
    slopes = np.random.default_rng(1).normal(size=raw.shape)
    found = attribute(slopes, volume, reference, views_of((9, 9, 9), "dynamic", "triplanar", "simple", 1), (9, 9))
    assert found.sum() == pytest.approx(float((slopes * (raw - other)).sum()), rel=1e-4)


@pytest.mark.parametrize(("name", "axis", "family", "slabs"), [row for row in PROJECTIONS if "max" not in row[0]])
def test_a_voxel_has_what_it_alone_changes(name, axis, family, slabs):
    volume, reference = volumes()
    place = (7, 4, 9)
    moved = volume.copy()
    moved[place] += 1
    raw = project(volume, name, axis, family, slabs)
    slopes = np.random.default_rng(1).normal(size=raw.shape)
    alone = float((slopes * (project(moved, name, axis, family, slabs) - raw)).sum())
    views = views_of(GRID, name, axis, family, slabs)
    found = attribute(slopes, volume, reference, views, image_size(GRID, axis))
    expected = alone * (volume[place] - reference[place])
    assert found[place] == pytest.approx(expected, rel=1e-3)


def test_of_a_maximum_both_voxels_have_half():
    volume, reference = np.zeros((2, 2, 2, 3), np.float32)
    volume[0, 1, 2], reference[0, 1, 0] = 5, 1
    found = attribute(np.full((2, 2), 3.0), volume, reference, views_of((2, 2, 3), "max", "axial", "", 1), (2, 2))
    assert found[0, 1, 2] == found[0, 1, 0] == 0.5 * 3 * (5 - 1)
    assert np.count_nonzero(found) == 2


CASES = [("dynamic", "axial", 1), ("mean", "axial+coronal+sagittal", 3), ("dynamic", "triplanar", 1)]


@pytest.mark.parametrize("kind", ["imagenet", "unit", "byte"])
@pytest.mark.parametrize(("name", "axis", "slabs"), CASES)
def test_a_window_scales_as_the_network_is_given_it(name, axis, slabs, kind):
    grid = (32, 32, 32)
    changes = {"model.name": "alexnet", "volume.grid": grid, "projection.scale": kind}
    changes |= {"projection.name": name, "projection.axis": axis, "projection.slabs": slabs}
    config = settings.resolve(ConfigDict(experiment(changes, "", quick_epochs=1).to_dict()))
    raw = project(volumes(grid)[0], name, axis, "simple", slabs)
    given = scale(config, raw[None])[0]
    found = window_of(raw, slabs, kind).inputs(raw)
    if kind == "byte":  # which truncates what it is given
        assert ((found - given > -1e-3) & (found - given < 1 + 1e-3)).all()
    else:
        np.testing.assert_allclose(found, given, atol=2e-5)


@pytest.mark.parametrize("kind", ["imagenet", "unit", "byte"])
@pytest.mark.parametrize(("name", "axis", "slabs"), CASES)
def test_slopes_by_raw_images(name, axis, slabs, kind):
    raw = project(volumes((12, 12, 12))[0], name, axis, "simple", slabs).astype(np.float64)
    window = window_of(raw, slabs, kind)
    step = np.random.default_rng(2).normal(size=raw.shape)
    gradient = np.random.default_rng(3).normal(size=window.inputs(raw).shape)
    changed = window.inputs(raw + step).astype(np.float64) - window.inputs(raw)
    assert (window.by_raw(gradient) * step).sum() == pytest.approx((gradient * changed).sum(), rel=2e-3)


def test_an_image_without_contrast_has_no_slope():
    raw = np.full((4, 5), 7.0, np.float32)
    window = window_of(raw, 1, "imagenet")
    assert not window.inputs(raw).any() and not window.by_raw(np.ones((4, 5, 3))).any()


def test_the_window_of_a_whole_volume():
    volume = volumes()[0]
    window = window_of_volume(volume)
    assert window.inputs(volume).max() == 1 and window.inputs(volume).shape == (*GRID, 1)
    np.testing.assert_allclose(window.by_raw(np.ones((*GRID, 1))), 1 / volume.max(), rtol=1e-6)


@pytest.mark.parametrize(("axis", "slabs"), [("axial", 1), ("coronal", 3)])
def test_cells_are_painted_over_the_voxels_under_them(axis, slabs):
    views = views_of(GRID, "mean", axis, "", slabs)
    size = image_size(GRID, axis)
    cells = np.random.default_rng(0).normal(size=(slabs, 3, 2))
    found = paint(cells, views, GRID, size)
    assert found.sum() == pytest.approx(cells.sum())
    position = {"axial": 2, "coronal": 1}[axis]
    first = found.take(0, position)
    assert np.ptp(first[: size[0] // 3, : size[1] // 2]) == 0, "a cell is even"
    assert np.sign(first[0, 0]) == np.sign(cells[0, 0, 0]) and np.sign(first[-1, -1]) == np.sign(cells[0, -1, -1])


def test_a_3d_map_lies_where_its_cells_are():
    cells = np.zeros((3, 3, 3))
    cells[1, 2, 0] = 1
    found = interpolate(cells, (40, 40, 40), 4.0, 10.0)
    assert np.unravel_index(found.argmax(), found.shape)[:2] == (14, 24) and found[14, 24, 4] == 1
    assert found[14, 24, 0] == 1, "beyond the outermost cells it goes on"
