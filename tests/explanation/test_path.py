"""The mean gradient along a path: its sum is right, its steps are halved until it is, and no pass is wasted."""

import numpy as np
import pytest

from dynjax.explanation.path import FIRST, MOST, integrate


class Known:
    """A function of inputs [3] with a known integral, in the place of a network; counts the places it is asked for."""

    def __init__(self, value, slope):
        self.value, self.slope, self.places = value, slope, 0

    def along(self, start, end, places, weights):
        points = start + places[:, None] * (end - start)
        self.places += np.count_nonzero(weights)
        return self.value(points), (weights[:, None] * self.slope(points)).sum(0)


CUBIC = lambda: Known(lambda x: (x**3).sum(-1), lambda x: 3 * x**2)  # noqa: E731
KINKS = lambda: Known(  # noqa: E731
    lambda x: 9 * np.maximum(0, x - 0.41).sum(-1), lambda x: 9.0 * (x > 0.41)
)
START, END = np.array([-1.0, 0.0, 2.0]), np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize("views", [1, 3, 18])
def test_the_gradient_is_the_mean_along_the_path(views):
    found = integrate(CUBIC(), START, END, views)
    np.testing.assert_allclose(found.gradient, [1.0, 4.0, 19.0], rtol=0.01)
    assert (found.start, found.end) == (7.0, 36.0) and found.is_fine
    assert found.error == pytest.approx(29 - (found.gradient * (END - START)).sum())


def test_steps_are_halved_until_the_sum_is_right():
    function = KINKS()
    found = integrate(function, np.zeros(1), np.ones(1))
    assert found.is_fine and found.steps > FIRST and abs(found.error) <= 0.01 * 9 * 0.59
    assert function.places == found.steps + 1, "each place is asked for once"


def test_the_steps_end():
    jump = Known(lambda x: 100.0 * (x[..., 0] > 0.5), np.zeros_like)  # no slope anywhere, and yet a difference
    found = integrate(jump, np.zeros(1), np.ones(1))
    assert found.steps == MOST and not found.is_fine and found.error == 100
