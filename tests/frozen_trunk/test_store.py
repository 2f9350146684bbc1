"""Tests that a frozen trunk sees each scan once, as the public function does, and under a name of all that it is."""

import nibabel
import numpy as np
import pytest

import dynjax
from dynjax.errors import InputError
from dynjax.frozen import store
from dynjax.frozen.store import Seeing, scan_features, stored_features
from dynjax.frozen.trunk import FrozenTrunk, find_trunk
from dynjax.pretrained.source import find_weights
from dynjax.pretrained.weights import save_weights
from dynjax.projection.scale import scale_views
from dynjax.projection.store import Projection, project_scan
from dynjax.volumes.digests import content_digest
from dynjax.volumes.grid import Grid

GRID = Grid((32, 34, 36), 2.0)
PROJECTION = Projection(GRID, "mean+dynamic", "axial+coronal", slabs=2)


@pytest.fixture
def scans(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path / "cache"))
    for number in range(3):
        data = np.random.default_rng(number).integers(0, 100, GRID.shape).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(data, GRID.affine), tmp_path / f"{number}.nii.gz")
    return sorted(tmp_path.glob("*.nii.gz"))


@pytest.fixture
def seeing(imagenet_mobilenet, tmp_path):
    save_weights(tmp_path / "trunk.npz", "mobilenet_v2", find_weights("mobilenet_v2", "required"))
    return Seeing(PROJECTION, "imagenet", find_trunk(tmp_path / "trunk.npz", "mobilenet_v2", "paper", "float32"), True)


@pytest.fixture
def seen(monkeypatch):
    """The images that the trunk was shown."""
    shown = []

    def maps(trunk, images, maps=FrozenTrunk.maps):
        shown.append(len(images))
        return maps(trunk, images)

    monkeypatch.setattr(FrozenTrunk, "maps", maps)
    return shown


def test_features_are_those_of_the_public_function(scans, seeing):
    features, digests = scan_features(scans, seeing)
    assert features.shape == (3, 8, 1, 1, 1280) and digests == [content_digest(path) for path in scans]
    extract = dynjax.feature_extractor("mobilenet_v2")
    views = np.stack([project_scan(path, PROJECTION) for path in scans])
    for own, scaled in zip(features, scale_views(views, 2)):
        np.testing.assert_allclose(own[:, 0, 0], np.asarray(extract(scaled)).mean((1, 2)), rtol=1e-5, atol=1e-5)
    maps, _ = scan_features(scans, seeing._replace(is_pooled=False))
    assert maps.shape[2:4] != (1, 1)
    np.testing.assert_allclose(maps.mean((2, 3), keepdims=True), features, rtol=1e-5, atol=1e-6)


def test_they_are_computed_once_and_what_was_interrupted_goes_on(scans, seeing, seen):
    before, _ = scan_features(scans[:1], seeing)
    assert seen == [8]
    after, _ = scan_features(scans, seeing)
    assert seen == [8, 8, 8] and before[0].tobytes() == after[0].tobytes()
    again, _ = scan_features(scans[::-1], seeing)
    assert seen == [8, 8, 8] and again[::-1].tobytes() == after.tobytes()


def test_a_damaged_file_is_computed_again(scans, seeing, seen):
    before, _ = scan_features(scans, seeing)
    entry = store._entry(content_digest(scans[1]), seeing)
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 1
    entry.write_bytes(content)
    after, _ = scan_features(scans, seeing)
    assert len(seen) == 4 and after.tobytes() == before.tobytes()


CHANGES = {
    "projection": PROJECTION._replace(slabs=3),
    "scale": "unit",
    "is_pooled": False,
    "trunk": {"name": "x", "digest": "x", "cut": "released", "dtype": "bfloat16"},
}


def test_all_that_they_depend_on_is_in_their_name(seeing):
    assert set(CHANGES) == set(Seeing._fields)
    assert set(CHANGES["trunk"]) == set(FrozenTrunk._fields) - {"path"}  # where the file lies does not matter
    others = [seeing._replace(**{key: value}) for key, value in CHANGES.items() if key != "trunk"]
    others += [seeing._replace(trunk=seeing.trunk._replace(**{k: v})) for k, v in CHANGES["trunk"].items()]
    names = {store._entry("digest", each) for each in (seeing, *others)}
    assert len(names) == 8
    assert store._entry("digest", seeing._replace(trunk=seeing.trunk._replace(path="elsewhere"))) in names


def test_a_trunk_that_has_changed_or_is_gone_is_said(scans, seeing, tmp_path):
    other = seeing._replace(trunk=seeing.trunk._replace(digest="0" * 64))
    with pytest.raises(InputError, match=r"trunk\.npz: is not the trunk that this run's networks were trained on"):
        stored_features(scans[0], content_digest(scans[0]), other)
    with pytest.raises(InputError, match=r"gone\.npz: no such file, and the run's networks need it"):
        find_trunk(tmp_path / "gone.npz", "mobilenet_v2", "paper", "float32")


def test_every_refused_scan_is_listed_and_the_others_are_kept(scans, seeing, seen, tmp_path):
    (tmp_path / "bad.nii.gz").write_bytes(b"no scan")
    paths = [tmp_path / "bad.nii.gz", *scans[:2]]  # also where it comes first
    with pytest.raises(InputError, match="1 of 3 scans cannot be used"):
        scan_features(paths, seeing)
    scan_features(scans[:2], seeing)
    assert len(seen) == 2


def test_no_scan_at_all(seeing):
    features, digests = scan_features([], seeing)
    assert features.shape[0] == 0 and digests == []
