"""The comparison with the template: a registered head is like it, and what is not registered is not."""

import numpy as np
import pytest

from dynjax.volumes import template
from dynjax.volumes.grid import Grid
from dynjax.volumes.template import likeness_to_template, template_on, unlike_the_template

GRID = Grid((36, 40, 36), 6.0)


@pytest.fixture(scope="module")
def head():
    """The template itself with noise, in another unit."""
    noise = np.random.default_rng(0).normal(0, 0.05, GRID.shape)
    return (1000 * np.where(template_on(GRID) > 0, template_on(GRID) + noise, 0)).astype(np.float32)


def test_a_registered_head_is_like_the_template(head):
    assert likeness_to_template(head, GRID) > 0.9
    assert unlike_the_template(head, GRID) == ()


CHANGES = {
    "upside down": lambda v: v[:, :, ::-1],
    "shifted": lambda v: np.roll(v, 6, 1),
    "inverted": lambda v: v.max() - v,
    "constant": np.zeros_like,
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_registered_is_not(head, name):
    (finding,) = unlike_the_template(CHANGES[name](head), GRID)
    assert finding.kind == "template" and finding.remedy and "correlation with the template" in finding.detail


def test_the_template_on_a_grid_is_made_once_and_again_if_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path))
    template._template_on.cache_clear()
    first = template_on(GRID)
    (path,) = tmp_path.rglob("*.npz")
    monkeypatch.setattr(template, "_make", lambda grid: pytest.fail("made again"))
    template._template_on.cache_clear()
    np.testing.assert_array_equal(template_on(GRID), first)
    path.write_bytes(path.read_bytes()[:100])
    monkeypatch.undo()
    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path))
    template._template_on.cache_clear()
    np.testing.assert_array_equal(template_on(GRID), first)
    template._template_on.cache_clear()
