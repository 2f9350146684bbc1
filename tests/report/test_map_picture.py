"""Maps over scans: which side is left, where the planes are cut, what the page of slices shows."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from dynjax.report.map_picture import (
    PLANES,
    draw_map,
    draw_mean_maps,
    draw_plane,
    in_mm,
    limit_of,
    overlay_colours,
    plane,
    strongest,
)
from dynjax.report.viewer import make_viewer
from dynjax.volumes.grid import Grid
from tests.report.browser import CHROMIUM, open_tab

GRID = Grid((20, 24, 18), 8.0)
LEFT, FRONT, TOP = slice(4, 7), slice(17, 20), slice(12, 15)  # of the head, in RAS+


def head():
    """A grey box, and a map with one block at its left, front and top."""
    volume, values = np.zeros((2, *GRID.shape), np.float32)
    volume[2:-2, 2:-2, 2:-2] = 1.0
    values[LEFT, FRONT, TOP] = 0.5
    return volume, values


def centre_of(where):
    """The mean (row, column) of a mask, each as a part of its image."""
    return np.argwhere(where).mean(0) / where.shape


def red(image):
    return (image[..., 0] > 0.3) & (image[..., 2] < 0.5 * image[..., 0])


def test_a_plane_is_seen_with_the_patients_left_on_the_left():
    _, values = head()
    for axis, position in ((2, 13), (1, 18)):
        row, column = centre_of(plane(values, axis, position) > 0)
        assert row < 0.4 and column < 0.4, "front or top of the head at the top, left on the left"
    row, column = centre_of(plane(values, 0, 5) > 0)
    assert row < 0.4 and column > 0.6, "the front is at the right"


@pytest.mark.parametrize("axis", PLANES)
def test_the_letters_stand_on_their_sides(axis):
    axes = Figure().subplots()
    draw_plane(axes, *head(), axis, 5, 1.0)
    sides = {text.get_text(): text.get_position()[0] for text in axes.texts}
    low, high = axes.get_xlim()
    assert low < high and axes.get_ylim()[0] > axes.get_ylim()[1], "columns to the right, rows downwards"
    assert sides == ({} if axis == 0 else {"L": 0.06, "R": 0.94})


def test_the_block_is_red_on_the_left_of_the_picture():
    """The whole way, to the pixels of the first two panes."""
    image = imread(io.BytesIO(draw_map(*head(), GRID.affine, "title", ["line"], "")))
    upper = image[60 : image.shape[1] // 2]
    for pane in np.array_split(upper, 2, axis=1):
        assert red(pane).sum() > 500 and centre_of(red(pane))[1] < 0.4
    flipped = (array[::-1] for array in head())
    mirrored = imread(io.BytesIO(draw_map(*flipped, GRID.affine, "title", ["line"], "")))
    assert centre_of(red(np.array_split(mirrored[60 : image.shape[1] // 2], 2, axis=1)[0]))[1] > 0.5


def test_planes_are_cut_where_the_map_is_strongest():
    volume, values = head()
    values[15, 5, 5] = 0.8  # one bright voxel is less than a block
    assert strongest(volume, values, GRID.affine) == (5, 18, 13) == strongest(volume, -values, GRID.affine)
    assert in_mm((5, 18, 13), GRID.affine) == [-36.0, 34.0, 56.0]


def test_the_edge_of_a_brain_does_not_decide_where_planes_are_cut():
    """Nor do ventricles, which are dark, make an edge of their own; without any inside the map alone decides."""
    volume, values = head()
    values[2, 2:-2, 2:-2] = 9.0  # a whole side
    volume[LEFT, FRONT, TOP] = 0.0
    assert strongest(volume, values, GRID.affine) == (5, 18, 13)
    values[5, 18, 13] = 10.0
    assert strongest(np.zeros_like(volume), values, GRID.affine) == (5, 18, 13)


def test_a_scale_is_symmetric_and_nothing_is_drawn_where_the_map_is_zero():
    values = np.array([0.0] * 1000 + [-2.0] * 99 + [1e6])
    assert limit_of(values) < 1e6 and limit_of(values[:1000]) == 1.0
    assert limit_of(-values) == limit_of(values)
    colours = overlay_colours()
    assert colours.shape == (255, 4) and colours[127, 3] == 0 and (colours[[0, -1], 3] == 1).all()
    assert colours[0, 2] > colours[0, 0] and colours[-1, 0] > colours[-1, 2], "blue is negative, red positive"
    np.testing.assert_allclose(colours[:, 3], colours[::-1, 3])


def test_text_makes_a_picture_taller_and_the_same_picture_is_the_same_file():
    draw = [draw_map(*head(), GRID.affine, "title", lines, mark) for lines, mark in (
        (["one"], ""), (["one"], ""), (["one"], "SYNTHETIC"), (["one " * 60], "SYNTHETIC"),
    )]  # fmt: skip
    heights = [imread(io.BytesIO(png)).shape[0] for png in draw]
    assert draw[0] == draw[1] and heights[1] < heights[2] < heights[3]


def test_mean_maps_share_one_scale_and_one_place():
    volume, values = head()
    rows = [("AD", volume, values), ("CN", volume, -0.1 * values)]
    image = imread(io.BytesIO(draw_mean_maps(rows, GRID.affine, ["line"], "SYNTHETIC")))
    width = image.shape[1] // 3
    first, second = (image[100 + row * (width + 60) : 80 + (row + 1) * (width + 60), :width] for row in (0, 1))
    blue = (second[..., 2] > 1.05 * second[..., 0]).sum()
    assert red(first).sum() > 200 and centre_of(red(first))[1] < 0.4
    assert blue > 200 and not red(second).any(), "a tenth as strong: a pale blue"
    assert len(draw_mean_maps([("zero", volume, 0 * values)], GRID.affine, [], "")) > 1000


def test_a_page_of_slices_is_one_file():
    page = make_viewer(*head(), GRID.affine, "sub-1</script><b>", ["A sentence & more."], "SYNTHETIC subjects")
    assert "http" not in page.lower() and "<b>" not in page and page.count("</script>") == 1
    assert "A sentence &amp; more." in page and '<p class="mark">SYNTHETIC subjects</p>' in page
    assert page == make_viewer(*head(), GRID.affine, "sub-1</script><b>", ["A sentence & more."], "SYNTHETIC subjects")
    assert 'class="mark"' not in make_viewer(*head(), GRID.affine, "title", [], "")


# Of a canvas: where it is red, as (row, column) in parts of its height and width, and how many of its pixels are.
RED = """(name => {
  const canvas = document.getElementById(name), {width, height} = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  let count = 0, row = 0, column = 0;
  for (let i = 0; i < width * height; i++)
    if (data[4 * i] > 60 && data[4 * i + 1] < 30) { count++; row += Math.floor(i / width); column += i % width; }
  return [row / count / height, column / count / width, count];
})"""
# The letters of each pane from left to right.
SIDES = """[...document.querySelectorAll(".plane")].flatMap(plane => [...plane.querySelectorAll(".side")]
  .sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left).map(side => side.textContent))"""
DRAWN = "document.body.dataset.drawn"


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", (1100, 390))
def test_a_browser_turns_through_the_slices(tmp_path, width):
    path = tmp_path / "viewer.html"
    volume, values = head()
    page = make_viewer(volume, 1e-4 * values, GRID.affine, "sub-1 " * 20, ["A sentence."], "SYNTHETIC subjects")
    path.write_text(page)
    with open_tab(tmp_path / "profile") as tab:
        tab.open(path, width)
        assert any(tab.evaluate(DRAWN) == "yes" for _ in range(2000)), "nothing is drawn"
        assert tab.requests() == [path.as_uri()] and tab.complaints() == []
        assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        axial, coronal, sagittal = (tab.evaluate(f"{RED}('{name}')") for name in PLANES.values())
        assert max(*axial[:2], *coronal[:2], sagittal[0]) < 0.4 and sagittal[1] > 0.6
        assert tab.evaluate(SIDES) == ["L", "R", "L", "R"]
        assert tab.evaluate("['mm-0', 'mm-1', 'mm-2'].map(id => document.getElementById(id).textContent).join()") == (
            "-36,34,56"
        )
        assert tab.evaluate("document.getElementById('value').textContent").startswith("0.000050")
        tab.evaluate("{const s = document.getElementById('slice-2'); s.value = 2; s.oninput();}")
        assert tab.evaluate(f"{RED}('axial')[2]") == 0 < tab.evaluate(f"{RED}('coronal')[2]")
        assert tab.evaluate("document.getElementById('value').textContent") == "0 logit per voxel"
