"""Tests that a dynamic image is drawn upright, with left and right where the letters say."""

import numpy as np
import pytest
from matplotlib import pyplot

import dynjax

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def pixels(axes):
    """The picture's grey values [rows, columns] as they are seen on the screen, from the top left."""
    (drawn,) = axes.get_images()
    values = drawn.get_array()
    assert (
        drawn.origin == "upper" and axes.get_ylim()[0] > axes.get_ylim()[1] and axes.get_xlim()[0] < axes.get_xlim()[1]
    )
    return np.asarray(values)


def letters(axes):
    """Where each letter is: {'L': (x, y)}, from 0 to 1, y upwards."""
    return {text.get_text(): text.get_position() for text in axes.texts}


def side_of(axes, letter):
    """The mean of the half of the picture in which the letter stands."""
    (x, y), image = letters(axes)[letter], pixels(axes)
    height, width = image.shape
    if abs(x - 0.5) > abs(y - 0.5):
        return image[:, : width // 2].mean() if x < 0.5 else image[:, width // 2 :].mean()
    return image[: height // 2].mean() if y > 0.5 else image[height // 2 :].mean()


# The half of a volume that is the patient's left, right, back, ... in RAS+.
HALVES = {"L": (0, slice(0, 12)), "R": (0, slice(12, 24)), "P": (1, slice(0, 13)), "A": (1, slice(13, 26)),
          "I": (2, slice(0, 14)), "S": (2, slice(14, 28))}  # fmt: skip
SEEN = [(axis, half) for axis, pooled in AXES.items() for half, (position, _) in HALVES.items() if position != pooled]
OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "S": "I", "I": "S"}


@pytest.mark.parametrize("radiological", [False, True])
@pytest.mark.parametrize(("axis", "half"), SEEN)
def test_the_bright_half_is_where_its_letter_is(axis, half, radiological):
    position, part = HALVES[half]
    volume = np.random.default_rng(0).random((24, 26, 28)).astype(np.float32)
    index = [slice(None)] * 3
    index[position] = part
    rising = np.expand_dims(np.arange(volume.shape[AXES[axis]]), [each for each in range(3) if each != AXES[axis]])
    volume[tuple(index)] += (10 * rising).astype(np.float32) * np.ones_like(volume)[tuple(index)]
    axes = dynjax.plot_dynamic_image(dynjax.dynamic_image(volume, axis), axis, radiological=radiological)
    assert side_of(axes, half) > 2 * side_of(axes, OPPOSITE[half])


def test_the_front_is_at_the_top_and_the_convention_is_named():
    image = dynjax.dynamic_image(np.random.default_rng(0).random((8, 9, 10)))
    ours, theirs = dynjax.plot_dynamic_image(image), dynjax.plot_dynamic_image(image, radiological=True)
    assert ours.get_xlabel() == "neurological convention:\nthe patient's left is on the left"
    assert theirs.get_xlabel() == "radiological convention:\nthe patient's left is on the right"
    assert (
        letters(ours)["L"][0] < 0.5 < letters(ours)["R"][0] and letters(theirs)["R"][0] < 0.5 < letters(theirs)["L"][0]
    )
    assert letters(ours)["A"][1] > 0.5 > letters(ours)["P"][1] and ours.get_title() == "axial dynamic image"
    np.testing.assert_array_equal(pixels(ours), pixels(theirs)[:, ::-1])
    side = dynjax.plot_dynamic_image(image, "sagittal", radiological=True)
    assert "front of the head is at the right" in side.get_xlabel() and letters(side)["A"][0] > 0.5


def test_it_draws_on_the_axes_that_are_given():
    figure, (first, second) = pyplot.subplots(1, 2)
    drawn = dynjax.plot_dynamic_image(np.eye(4), ax=second, cmap="magma", vmin=-1)
    assert drawn is second and not first.get_images() and second.get_images()[0].get_cmap().name == "magma"
    assert len(pyplot.get_fignums()) == 1 and figure.axes == [first, second]


@pytest.mark.parametrize(
    ("image", "axis", "said"),
    [
        (np.ones((2, 3, 4)), "axial", r"one image is drawn, \[H, W\], not an array of shape \(2, 3, 4\); choose one"),
        (np.ones((3, 4)), "transverse", "unknown axis 'transverse'; choose one of sagittal, coronal, axial"),
    ],
)
def test_what_is_no_image_is_said(image, axis, said):
    with pytest.raises(ValueError, match=said):
        dynjax.plot_dynamic_image(image, axis)
