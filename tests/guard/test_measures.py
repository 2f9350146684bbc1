"""What is measured of a volume: each measure sees what it is for, and none sees the intensity's unit."""

import numpy as np
import pytest
from scipy import ndimage

from dynjax.guard import features, likeness
from dynjax.guard.measures import LEAST, measure_volume

NAMES = list(LEAST)


def head(seed=0, size=36):
    """An ellipsoid with a dark core, longer along y, in voxels of 5 mm."""
    x, y, z = (np.arange(size) - (size - 1) / 2,) * 3
    radius = (x[:, None, None] / 11) ** 2 + (y[:, None] / 14) ** 2 + (z / 10) ** 2
    tissue = 700 - 400 * (radius < 0.2) + np.random.default_rng(seed).normal(0, 40, radius.shape)
    return np.where(radius < 1, np.clip(tissue, 1, None), 0).astype(np.float32)


def apart(changed, spacing=5.0):
    """How far each measure moves, in its smallest meaningful spread."""
    before, after = measure_volume(head(), spacing), measure_volume(np.asarray(changed, np.float32), spacing)
    return dict(zip(NAMES, (after - before) / np.array(list(LEAST.values()))))


@pytest.mark.parametrize("change", [lambda v: 1000 * v, lambda v: v / 7, lambda v: v + 300], ids=["x", "/", "+"])
def test_no_measure_depends_on_the_unit_of_intensity(change):
    assert max(map(abs, apart(change(head())).values())) < 0.1


SEEN = {
    "litres": lambda v: np.where(ndimage.binary_erosion(v > 0, iterations=2), v, 0),
    "background": lambda v: np.where(v == 0, 600, v),
    "faces": lambda v: np.roll(v, 14, axis=1),
    "centre x": lambda v: np.roll(v, 3, axis=0),
    "centre z": lambda v: np.roll(v, -3, axis=2),
    "extent y": lambda v: np.where(np.abs(np.arange(36) - 17.5)[:, None] < 9, v, 0),
    "tilt xy": lambda v: ndimage.rotate(v, 20, (0, 1), reshape=False, order=1),
    "tilt yz": lambda v: ndimage.rotate(v, 20, (1, 2), reshape=False, order=1),
    "intensity 50 %": lambda v: v**2,
    "peak": lambda v: np.where(v == v.max(), 30 * v, v),
    "roughness": lambda v: ndimage.gaussian_filter(v, 2),
    "flatness": lambda v: np.round(v, -2),
}


@pytest.mark.parametrize("name", SEEN)
def test_each_measure_sees_what_it_is_for(name):
    assert abs(apart(SEEN[name](head()))[name]) > 4


@pytest.mark.parametrize("volume", [np.zeros((32, 33, 35)), np.eye(32)[None].repeat(32, 0), -head()])
def test_measures_of_any_volume_are_finite(volume):
    assert np.isfinite(measure_volume(volume.astype(np.float32), 2.0)).all()


def blocks(count=30, side=8):
    rng, picture = np.random.default_rng(0), head(size=2 * side)
    usual = picture.reshape(side, 2, side, 2, side, 2).mean((1, 3, 5))
    usual = usual + np.linspace(0, 300, side) * (usual > 0)  # brighter at the top
    usual[:, side // 2 :] *= 0.7  # and darker in front
    return usual[None] * rng.normal(1, 0.05, (count, 1, 1, 1)) + rng.normal(0, 10, (count, side, side, side))


def test_a_scan_like_the_others_is_nearer_than_a_changed_one():
    vectors = blocks().reshape(30, -1).astype(np.float32)
    picture = likeness.make_picture(vectors[1:])
    own, flipped = (
        likeness.measure_likeness(v.ravel()[None], picture)[0] for v in (blocks()[0], blocks()[0][:, :, ::-1])
    )
    assert (flipped > own + 1).all()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda b: b[:, :, ::-1], "upside down"),
        (lambda b: b[:, ::-1], "back to front"),
        (lambda b: 1000 - b, "with inverted contrast"),
        (lambda b: np.rot90(b, 1, (1, 2)), "turned by 90 degrees about x"),
        (lambda b: np.rot90(b, 1, (0, 2)), "turned by -90 degrees about y"),
        (lambda b: b, ""),
        (lambda b: np.random.default_rng(1).random(b.shape), ""),
    ],
    ids=["z", "y", "contrast", "turn", "turn back", "none", "noise"],
)
def test_a_change_is_named_if_undoing_it_explains_the_scan(change, name):
    vectors = blocks()
    mean = likeness.make_picture(vectors.reshape(30, -1)).mean
    found = likeness.likely_change(np.asarray(change(vectors[0]), np.float32).ravel(), mean)
    assert found == name


def test_features_far_from_all_training_scans_are_remote():
    rng = np.random.default_rng(0)
    training = rng.normal(0, 1, (50, 8)) * [1, 1, 1, 1, 1, 1, 1, 0]
    usual, far = rng.normal(0, 1, (5, 8)) * [1, 1, 1, 1, 1, 1, 1, 0], rng.normal(9, 1, (5, 8))
    assert features.remoteness(usual, training).max() < features.remoteness(far, training).min()
    expected = np.sort(np.linalg.norm((usual[:1] - training)[:, :7] / training[:, :7].std(0), axis=1))[:5].mean()
    assert features.remoteness(usual[:1], training)[0] == pytest.approx(np.log(expected), abs=1e-4)
    assert features.reduce_features(rng.normal(size=(3, 600))).shape == (3, features.MOST)
