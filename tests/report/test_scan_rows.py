"""Slices beside images: what is bright in a dynamic image, where left and right are, and which slice it is."""

import re

import numpy as np
import pytest
from matplotlib.image import imread

from dynjax.projection.dynamic import AXES
from dynjax.projection.project import project
from dynjax.projection.weights import FAMILIES
from dynjax.report.pictures import scan_columns, scans
from dynjax.report.scan_rows import SIGNED, ScanRow, scan_rows
from dynjax.verbs.report import WAYS
from tests.report.browser import CHROMIUM, open_tab

SHAPE = (6, 7, 8)


def rising(axis):
    """A volume that grows brighter along an axis in one half of the image, and darker in the other."""
    position = AXES[axis]
    ramp = np.linspace(0, 1, SHAPE[position]).reshape([-1 if place == position else 1 for place in range(3)])
    first = np.flatnonzero(np.arange(3) != position)[0]  # the axis that is drawn to the right
    half = (np.arange(SHAPE[first]) < SHAPE[first] // 2).reshape([-1 if place == first else 1 for place in range(3)])
    return np.broadcast_to(np.where(half, ramp, 1 - ramp), SHAPE).astype(np.float32)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("weights", FAMILIES)
def test_bright_is_what_grows_brighter(axis, weights):
    """Index 0 of z is the bottom, of y the back and of x the left, as the page's words say."""
    image = project(rising(axis), "dynamic", axis, weights)
    grows, falls = image[0], image[-1]
    assert (grows > falls).all()
    if weights != "released":  # whose weights do not add up to 0
        assert (grows > 0).all() and (falls < 0).all()
        still = project(np.ones(SHAPE, np.float32), "dynamic", axis, weights)
        assert abs(still).max() < 1e-3 * abs(image).max()
    assert set(WAYS) == set(AXES) and WAYS["axial"] == "from the bottom to the top"


@pytest.mark.parametrize("name", ("ranksvm", "svr"))
def test_rank_pooled_images_have_the_same_sign(name):
    image = project(rising("axial"), name)
    assert (image[0] > image[-1]).all() and name in SIGNED


def test_each_plane_has_its_own_middle_slice():
    volume = np.random.default_rng(0).random(SHAPE, np.float32)
    axis = "axial+coronal+sagittal"
    images = project(volume, "mean+dynamic", axis, slabs=2)
    rows = scan_rows(volume, images, "mean+dynamic", axis, 2)
    assert [row.axis for row in rows] == ["axial", "coronal", "sagittal"] * 2
    assert [row.is_signed for row in rows] == [False] * 3 + [True] * 3 and {len(row.images) for row in rows} == {2}
    assert {image.shape for row in rows for image in (row.slice, *row.images)} == {(7, 8)}
    assert (rows[2].slice == volume[3]).all() and (rows[1].slice[:6] == volume[:, 3]).all()
    np.testing.assert_array_equal(rows[3].images[1], images[7])


def test_three_planes_as_channels_and_whole_volumes():
    cube = np.random.default_rng(0).random((5, 5, 5), np.float32)
    images = project(cube, "dynamic", "triplanar")
    rows = scan_rows(cube, images, "dynamic", "triplanar", 1)
    assert [row.axis for row in rows] == ["axial", "coronal", "sagittal"]
    assert (rows[2].images[0] == images[..., 2]).all() and (rows[1].slice == cube[:, 2]).all()
    (row,) = scan_rows(cube, cube, "none", "axial", 1)
    assert (row.slice == cube[..., 2]).all() and row.images == []


def test_as_many_side_by_side_as_can_be_looked_at():
    image = np.zeros((4, 4))
    assert [scan_columns([ScanRow("axial", image, [image] * many, True)]) for many in (0, 1, 6)] == [4, 2, 1]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_left_is_on_the_left_and_the_front_at_the_top(tmp_path):
    """As a browser draws it: what is at the right and the front of a scan, and the middle grey of nothing."""
    marked, nothing = np.zeros((10, 10)), np.zeros((10, 10))
    marked[7:9, 7:9] = 1
    nothing[0, 0] = 1
    svg = scans("x", [("", [ScanRow("axial", marked, [nothing], True)])], 1, "")
    assert re.findall(">([LR])<", svg) == ["L", "R"] * 2
    (tmp_path / "x.html").write_text(f"<body style='margin: 0; background: #000'>{svg[svg.index('<svg') :]}")
    with open_tab(tmp_path / "profile") as tab:
        tab.open(tmp_path / "x.html", 600)
        places = tab.evaluate("[...document.querySelectorAll('text')].map(text => text.getBoundingClientRect().x)")
        tab.screenshot(tmp_path / "x.png")
        box = tab.evaluate("(box => [box.width, box.height])(document.querySelector('svg').getBoundingClientRect())")
    assert places == sorted(places), "L, R, L, R from the left"
    drawn = imread(tmp_path / "x.png")[: int(box[1]), : int(box[0]), :3].mean(-1)  # [rows, columns]
    middle = drawn.shape[1] // 2
    rows, columns = np.nonzero(drawn[10:-10, 20 : middle - 20] > 0.9)
    assert columns.mean() > 0.6 * middle and rows.mean() < 0.4 * drawn.shape[0]
    assert drawn[drawn.shape[0] // 4, middle + middle // 2] == pytest.approx(0.5, abs=0.02)
