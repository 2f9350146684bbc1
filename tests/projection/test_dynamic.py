"""Rank-pooling weights and dynamic images against worked examples."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dynjax
from dynjax.projection.dynamic import AXES
from dynjax.projection.weights import FAMILIES

# alpha_1 .. alpha_T, worked by hand as exact fractions
WORKED = {
    ("simple", 1): "0",
    ("simple", 2): "-1 1",
    ("simple", 3): "-2 0 2",
    ("simple", 6): "-5 -3 -1 1 3 5",
    ("harmonic", 2): "-1/2 1/2",
    ("harmonic", 3): "-4/3 2/3 2/3",
    ("harmonic", 4): "-29/12 7/12 13/12 3/4",
    ("harmonic", 5): "-37/10 3/10 13/10 13/10 4/5",
    ("harmonic", 6): "-103/20 -3/20 27/20 101/60 43/30 5/6",
    ("released", 1): "1",
    ("released", 2): "1 1",
    ("released", 3): "1/2 3/2 1",
    ("released", 4): "-1/3 5/3 5/3 1",
    ("released", 5): "-17/12 19/12 25/12 7/4 1",
    ("released", 6): "-27/10 13/10 23/10 23/10 9/5 1",
}

# V[t, i, j] = (7t + 3i + 5j + 2ti) mod 11 pooled over t: the raw sums, and what the released code makes of them
_t, _i, _j = np.ogrid[:6, :3, :4]
VOLUME = ((7 * _t + 3 * _i + 5 * _j + 2 * _t * _i) % 11).astype(np.float32)
RAW = {
    "simple": [[14, 3, -41, 36], [18, -15, 18, 18], [0, 0, 0, 0]],
    "harmonic": [[30.1, -2.533333, -26.55, 13.233333], [23.3, -25.833333, 23.3, -10.066667], [0, 0, 0, 0]],
    "released": [[51.8, 22.4, 16.1, 36.2], [49.4, 9.0, 43.4, 22.8], [36.0, 0.0, 30.0, 60.0]],
}
BYTES = {
    "simple": [[182, 145, 0, 255], [195, 86, 195, 195], [135, 135, 135, 135]],
    "harmonic": [[255, 108, 0, 179], [224, 3, 224, 74], [119, 119, 119, 119]],
    "released": [[220, 95, 68, 153], [209, 38, 184, 96], [153, 0, 127, 255]],
}


@pytest.mark.parametrize(("family", "length"), WORKED)
def test_weights_are_the_worked_fractions(family, length):
    expected = [float(Fraction(text)) for text in WORKED[family, length].split()]
    weights = dynjax.rank_pooling_weights(length, family)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, expected, rtol=1e-13, atol=1e-13)


def test_weights_of_110_slices():
    np.testing.assert_array_equal(dynjax.rank_pooling_weights(110), np.arange(-109, 110, 2))
    harmonic, released = (dynjax.rank_pooling_weights(110, family) for family in ("harmonic", "released"))
    np.testing.assert_allclose(harmonic[:3], [-366.328040, -257.328040, -203.828040], atol=1e-6)
    np.testing.assert_allclose(harmonic[-3:], [2.944783, 1.972560, 0.990909], atol=1e-6)
    assert harmonic.argmax() + 1 == 56 and harmonic.max() == pytest.approx(33.562915, abs=1e-6)
    np.testing.assert_allclose(released[:3], [-361.045806, -253.045806, -200.045806], atol=1e-6)
    np.testing.assert_allclose(released[-3:], [2.972307, 1.990826, 1.0], atol=1e-6)
    assert released.argmax() + 1 == 55 and released.sum() == pytest.approx(110)
    assert harmonic.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_worked_volume_along_every_axis(family, axis, order):
    """The same numbers whichever axis is pooled, whatever the memory order, one volume or a batch."""
    volume = np.asarray(np.moveaxis(VOLUME, 0, AXES[axis]), order=order)
    image = dynjax.dynamic_image(volume, axis=axis, weights=family)
    assert image.dtype == jnp.float32 and isinstance(image, jax.Array)
    np.testing.assert_allclose(image, RAW[family], atol=2e-5)
    batch = np.asarray(np.moveaxis(np.stack([VOLUME, 2 * VOLUME]), 1, AXES[axis] + 1), order="C")
    if order == "F":  # each volume as files have it, x fastest
        batch = np.ascontiguousarray(batch.transpose(0, 3, 2, 1)).transpose(0, 3, 2, 1)
    images = dynjax.dynamic_image(batch, axis=axis, weights=family)
    np.testing.assert_allclose(images, [RAW[family], 2 * np.array(RAW[family])], atol=5e-5)
    np.testing.assert_allclose(dynjax.dynamic_image(jnp.asarray(volume), axis, family), RAW[family], atol=2e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64])
def test_other_types_are_cast(dtype):
    image = dynjax.dynamic_image(VOLUME.astype(dtype), axis="sagittal")
    np.testing.assert_array_equal(image, RAW["simple"])


def test_full_size_against_float64():
    volume = np.random.default_rng(0).random((110, 110, 110), np.float32).T
    expected = np.tensordot(volume.astype(np.float64), dynjax.rank_pooling_weights(110), (2, 0))
    image = np.asarray(dynjax.dynamic_image(volume))
    assert np.abs(image - expected).max() / np.abs(expected).max() < 1e-5


@pytest.mark.parametrize("extent", [2, 55, 56, 111])
def test_the_form_for_other_platforms_gives_the_same(extent, monkeypatch):
    volumes = np.random.default_rng(0).integers(-500, 500, (2, 3, extent, 5)).astype(np.int16)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *operands, default, **_: default(*operands))
    expected = np.tensordot(volumes, dynjax.rank_pooling_weights(extent), (2, 0))
    np.testing.assert_allclose(dynjax.dynamic_image(volumes, "coronal"), expected, rtol=1e-5, atol=0.1)


def test_it_can_be_jitted_and_differentiated():
    gradient = jax.grad(lambda v: jax.jit(dynjax.dynamic_image)(v).sum())(jnp.ones((2, 3, 4)))
    np.testing.assert_array_equal(gradient, np.broadcast_to([-3.0, -1, 1, 3], (2, 3, 4)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.ones((3, 3)),), "3 dimensions and a batch 4, not 2"),
        ((VOLUME, "z"), "axial"),
        ((VOLUME, "axial", "bilen"), "harmonic"),
    ],
)
def test_misuse_is_explained(arguments, said):
    with pytest.raises(ValueError, match=said):
        dynjax.dynamic_image(*arguments)


@pytest.mark.parametrize("family", FAMILIES)
def test_scale_byte_is_the_released_codes(family):
    scaled = dynjax.scale_images(np.array([RAW[family]]), "byte")
    assert scaled.shape == (1, 3, 4, 1) and scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled[0, ..., 0], BYTES[family])


def test_scales():
    images = np.stack([np.linspace(-5, 7, 12).reshape(3, 4), np.linspace(0, 1000, 12).reshape(3, 4)])
    unit = dynjax.scale_images(images, "unit")
    np.testing.assert_allclose(unit[..., 0], np.broadcast_to(np.linspace(0, 1, 12).reshape(3, 4), (2, 3, 4)), atol=1e-6)
    imagenet = dynjax.scale_images(images)
    assert imagenet.shape == (2, 3, 4, 3)
    np.testing.assert_allclose(imagenet[0, 0, 0], [-2.117904, -2.035714, -1.804444], atol=1e-5)
    np.testing.assert_allclose(imagenet[1, 2, 3], [2.248908, 2.428571, 2.64], atol=1e-5)
    with pytest.raises(ValueError, match="imagenet, unit, byte"):
        dynjax.scale_images(images, "half")


@pytest.mark.parametrize("scale", ["imagenet", "unit", "byte"])
def test_one_image_is_scaled_as_among_others(scale):
    images = np.random.default_rng(0).normal(size=(2, 4, 5))
    np.testing.assert_array_equal(dynjax.scale_images(images[1], scale), dynjax.scale_images(images, scale)[1])
    one = dynjax.scale_images(dynjax.dynamic_image(VOLUME, "sagittal"), scale)
    assert one.shape == (3, 4, 3 if scale == "imagenet" else 1) and one.dtype == np.float32
    with pytest.raises(ValueError, match=r"one image is \[H, W\], not 1-D"):
        dynjax.scale_images(images[0, 0], scale)


def test_each_plane_is_scaled_by_itself():
    planes = np.random.default_rng(0).normal(size=(2, 4, 5, 3)) * [1, 10, 100]
    for scale in ("unit", "byte", "imagenet"):
        scaled = dynjax.scale_images(planes, scale)
        assert scaled.shape == (2, 4, 5, 3)
        for channel in range(3):
            single = dynjax.scale_images(planes[..., channel], scale)
            np.testing.assert_array_equal(scaled[..., channel], single[..., min(channel, single.shape[-1] - 1)])


@pytest.mark.parametrize("scale", ["imagenet", "unit", "byte"])
def test_a_constant_image_gives_zeros_and_a_warning(scale):
    images = np.stack([np.full((3, 4), 5.0), np.arange(12.0).reshape(3, 4)])
    with pytest.warns(UserWarning, match="1 of 2 images are constant"):
        scaled = dynjax.scale_images(images, scale)
    assert (scaled[0] == 0).all() and scaled[1].any()
