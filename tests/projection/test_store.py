"""The stored projections: used while nothing changed, never after anything did."""

import functools
import os
import resource
import tracemalloc

import nibabel
import numpy as np
import pytest

from dynjax.errors import InputError
from dynjax.projection import array_file, store
from dynjax.projection.dynamic import dynamic_image
from dynjax.projection.scale import scale_volumes
from dynjax.projection.store import Projection, fill_store, project_cohort, stored_image
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.reading import Reading

GRID = Grid((32, 34, 36), 2.0)


@pytest.fixture
def scans(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path / "cache"))
    return [write(tmp_path / f"{seed}.nii.gz", seed) for seed in range(3)]


@pytest.fixture
def reads(monkeypatch):
    """The paths of the volumes that were read."""
    seen = []
    load = store.load_volume

    def spy(path, *settings, **kept):
        seen.append(path)
        return load(path, *settings, **kept)

    monkeypatch.setattr(store, "load_volume", spy)
    return seen


def write(path, seed):
    data = np.random.default_rng(seed).integers(0, 100, GRID.shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, GRID.affine), path)
    return path


def test_read_once_and_equal_to_the_plain_way(scans, reads):
    first = project_cohort(scans, Projection(GRID))
    assert len(reads) == 3 and first.images.shape == (3, 32, 34) and len(set(first.digests)) == 3
    again = project_cohort(scans, Projection(GRID))
    assert len(reads) == 3
    np.testing.assert_array_equal(first.images, again.images)
    volume = nibabel.load(scans[1]).get_fdata(dtype=np.float32)
    np.testing.assert_allclose(first.images[1], dynamic_image(volume), rtol=1e-5, atol=0.1)


def test_whole_volumes_are_read_and_not_stored_again(scans):
    projected = project_cohort(scans, Projection(GRID, "none"))
    np.testing.assert_array_equal(projected.images[2], load_volume(scans[2]).data)
    scaled = scale_volumes(projected.images)
    assert scaled.shape == (3, *GRID.shape, 1) and scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.max((1, 2, 3, 4)), 1)
    assert not list(store.cache_folder().rglob("*.npy"))


CHANGES = [
    {"axis": "coronal"},
    {"name": "max"},
    {"weights": "harmonic"},
    {"grid": GRID._replace(spacing=2.1)},
]
CHANGES += [{"grid": Grid((36, 34, 36), 2.0)}, {"slabs": 2}]
IN_READING = [{"nan": "zero"}, {"recipe": 1}]


@pytest.mark.parametrize("change", CHANGES)
def test_any_setting_makes_another_entry(scans, reads, change):
    projection = Projection(GRID)
    before = project_cohort(scans, projection)
    after = project_cohort(scans, projection._replace(**change))
    assert len(reads) == 6 and (before.images.shape != after.images.shape or (before.images != after.images).any())


@pytest.mark.parametrize("change", IN_READING)
def test_any_way_of_reading_makes_another_entry(scans, reads, change):
    """A scan whose NaN were set to zero must not be taken for one that had none."""
    project_cohort(scans, Projection(GRID)._replace(**change))
    project_cohort(scans, Projection(GRID))
    assert len(reads) == 6
    changed = {key for each in (*CHANGES, *IN_READING) for key in each}
    assert changed == set(Projection._fields) and set(Reading._fields) <= changed


def test_each_volume_is_divided_by_its_own_maximum():
    volumes = np.stack([np.full((2, 2, 2), 3.0), np.arange(8.0).reshape(2, 2, 2)])
    np.testing.assert_allclose(scale_volumes(volumes)[..., 0], [np.ones((2, 2, 2)), volumes[1] / 7], rtol=1e-6)


def test_a_changed_scan_is_read_again_even_with_its_old_time_and_size(scans, reads):
    before = project_cohort(scans, Projection(GRID))
    status, content = scans[0].stat(), scans[1].read_bytes()
    scans[0].write_bytes(content)
    os.utime(scans[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    after = project_cohort(scans, Projection(GRID))
    np.testing.assert_array_equal(after.images[0], before.images[1])
    assert after.digests[0] == before.digests[1]


def test_a_renamed_scan_needs_no_reading(scans, reads):
    project_cohort(scans, Projection(GRID))
    moved = scans[0].rename(scans[0].with_name("other.nii.gz"))
    project_cohort([moved], Projection(GRID))
    assert len(reads) == 3


def flipped(content: bytes, place: float) -> bytes:
    """Flips one bit, at a share of the length."""
    position = round(place * (len(content) - 1))
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:100],
    "cut at its end": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "without a digest": lambda content: content[: -array_file.DIGEST],
    "another image": lambda content: (
        content[:128] + bytes(len(content) - 128 - array_file.DIGEST) + content[-array_file.DIGEST :]
    ),
} | {f"a bit at {place:.0%}": functools.partial(flipped, place=place) for place in (0, 0.001, 0.01, 0.5, 0.9, 0.999, 1)}


@pytest.mark.parametrize("name", ["dynamic", "none"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_an_image_that_is_damaged_in_the_store_is_made_anew(scans, reads, tmp_path, damage, name):
    projection = Projection(GRID, name)
    digests = fill_store(scans, projection)
    before = [stored_image(path, digest, projection) for path, digest in zip(scans, digests)]
    entries = list((tmp_path / "cache").rglob("*.npy"))
    good = [entry.read_bytes() for entry in entries]
    for entry in entries:
        entry.write_bytes(damage(entry.read_bytes()))
    assert len(reads) == len(entries) == 3
    after = [stored_image(path, digest, projection) for path, digest in zip(scans, digests)]
    assert len(reads) == 6
    np.testing.assert_array_equal(before, after)
    assert [entry.read_bytes() for entry in entries] == good


def test_a_disk_that_is_full_is_named_and_what_is_stored_stays_good(scans, tmp_path):
    expected = project_cohort(scans[:1], Projection(GRID)).images
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*/projections/.*\.npy'"):
            fill_store(scans, Projection(GRID))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 1
    again = project_cohort(scans, Projection(GRID)).images
    np.testing.assert_array_equal(again[0], expected[0])
    assert not (again[1] == again[0]).all()


def test_memory_is_that_of_the_images_and_no_more(scans):
    tracemalloc.start()
    try:
        images = project_cohort([scans[0]] * 60, Projection(GRID, "none")).images
        assert images.nbytes < tracemalloc.get_traced_memory()[1] < 1.5 * images.nbytes
    finally:
        tracemalloc.stop()


def test_all_refused_scans_are_named_and_the_good_ones_kept(scans, reads):
    scans[0].write_text("no scan")
    missing = scans[2].with_name("gone.nii.gz")
    with pytest.raises(InputError, match="2 of 4 scans cannot be used") as error:
        project_cohort([*scans, missing], Projection(GRID))
    assert str(scans[0]) in str(error.value) and str(missing) in str(error.value)
    reads.clear()
    project_cohort(scans[1:], Projection(GRID))
    assert reads == []
