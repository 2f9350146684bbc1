"""Where a volume is taken to lie: by its origin, and without one in the middle of the grid."""

import gzip
import struct

import nibabel
import numpy as np
import pytest

from dynjax.errors import InputError
from dynjax.volumes.grid import CENTRE, Grid, covers, fits, has_origin, place
from dynjax.volumes.inspection import Facts, inspect_scan
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.outliers import unlike_the_cohort
from dynjax.volumes.reading import RECIPES

GRID = Grid((24, 26, 28), 4.0)
SHAPE = GRID.shape


def head(shape=SHAPE) -> np.ndarray:
    """A ball with texture, brighter on its right, that touches no face of the volume."""
    radius = np.linalg.norm((np.indices(shape).T - (np.array(shape) - 1) / 2).T, axis=0)
    texture = np.random.default_rng(0).integers(0, 50, shape) + 5 * np.indices(shape)[0]
    return np.where(radius < 8, 300 + texture, 0).astype(np.int16)


def save(path, data, affine, kind=nibabel.Nifti1Image):
    nibabel.save(kind(data, affine), path)
    return path


def shifted(*voxels: float) -> np.ndarray:
    affine = GRID.affine
    affine[:3, 3] += np.multiply(voxels, GRID.spacing)
    return affine


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [1, -1])
def test_an_origin_agrees_within_a_hundredth_of_a_voxel_along_each_axis(axis, sign):
    near, far = (shifted(*(sign * voxels * np.eye(3)[axis])) for voxels in (0.009, 0.011))
    assert fits(SHAPE, near, GRID, 2) and not fits(SHAPE, far, GRID, 2)
    assert fits(SHAPE, far, GRID, 1) and fits(SHAPE, shifted(0, 0, 100), GRID, 1)
    assert not any(fits((24, 26, 27), GRID.affine, GRID, recipe) for recipe in RECIPES)
    assert not any(fits(SHAPE, GRID.affine @ np.diag([1, 1, 1.02, 1]), GRID, recipe) for recipe in RECIPES)


@pytest.mark.parametrize("voxels", [(1, 0, 0), (0, -2, 0), (0, 0, 3), (2, -1, 1)])
def test_a_volume_is_moved_to_where_its_origin_says(tmp_path, voxels):
    """One head, wherever its volume begins and whether or not that has the grid's shape."""
    expected = load_volume(save(tmp_path / "a.nii.gz", head(), GRID.affine), GRID).data
    rolled = save(tmp_path / "rolled.nii.gz", np.roll(head(), np.negative(voxels), (0, 1, 2)), shifted(*voxels))
    padded = save(tmp_path / "padded.nii.gz", np.pad(head(), 1), shifted(-1, -1, -1))
    for path in (rolled, padded):
        volume = load_volume(path, GRID)
        np.testing.assert_allclose(volume.data, expected, atol=0.02)
        np.testing.assert_array_equal(volume.affine, GRID.affine)
        assert inspect_scan(path, GRID).verdict == "ok"
    assert abs(load_volume(rolled, GRID, recipe=1).data - expected).max() > 200


@pytest.mark.parametrize("shape", [SHAPE, (25, 26, 28)])
def test_a_volume_beyond_the_grid_is_refused_whatever_its_shape(tmp_path, shape):
    for axis in range(3):
        path = save(tmp_path / f"{axis}.nii.gz", head(shape), shifted(*(100 * np.eye(3)[axis])))
        assert inspect_scan(path, GRID).findings[0].kind == "outside the grid"
        with pytest.raises(InputError, match="does not overlap the grid's field of view"):
            load_volume(path, GRID)
    if shape == SHAPE:
        assert inspect_scan(path, GRID, recipe=1).verdict == "ok" and load_volume(path, GRID, recipe=1)


def without_codes(path, data):
    """Sets sform_code and qform_code to 0, as OASIS has them."""
    save(path, data, GRID.affine)
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<2h", content, 252, 0, 0)
    path.write_bytes(gzip.compress(bytes(content)))


def without_ras_flag(path, data):
    path.write_bytes(gzip.compress(bytes(nibabel.MGHImage(data, GRID.affine).to_bytes())))
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into(">h", content, 28, 0)
    path.write_bytes(gzip.compress(bytes(content)))


def at(origin, signs=(1, 1, 1), kind=nibabel.Nifti1Image):
    def write(path, data):
        affine = np.diag([*np.multiply(signs, GRID.spacing), 1.0])
        affine[:3, 3] = np.multiply(origin, np.multiply(signs, GRID.spacing))
        nibabel.save(kind(data[tuple(slice(None, None, sign) for sign in signs)], affine), path)

    return write


LAST, HALF = np.array(SHAPE) - 1, np.array(SHAPE) / 2
NO_ORIGIN = {
    "corner.nii.gz": at((0, 0, 0)),
    "corner_lps.nii.gz": at((0, 0, 0), (-1, -1, 1)),
    "last_corner.nii.gz": at(-LAST),
    "another_corner.nii.gz": at(-LAST * (1, 0, 1)),
    "corner.mgz": at((0, 0, 0), kind=nibabel.MGHImage),
    "middle.nii.gz": at(-LAST / 2),
    "middle_las.nii.gz": at(-LAST / 2, (-1, 1, 1)),
    "middle_of_freesurfer.mgz": at(-HALF, kind=nibabel.MGHImage),
    "middle_of_freesurfer_lps.mgz": at(-HALF, (-1, -1, 1), nibabel.MGHImage),
    "codes.nii.gz": without_codes,
    "flag.mgz": without_ras_flag,
    "analyze.img": at(-LAST / 2, (-1, 1, 1), nibabel.AnalyzeImage),
}


@pytest.mark.parametrize("name", NO_ORIGIN)
def test_a_volume_without_an_origin_is_centred_on_the_grid_with_a_warning(tmp_path, name):
    data, is_turned = head(), name in ("codes.nii.gz", "flag.mgz")  # read as LAS and LIA, as the formats want it
    NO_ORIGIN[name](tmp_path / name, data)
    found, volume = inspect_scan(tmp_path / name, GRID), load_volume(tmp_path / name, GRID)
    assert "origin" in [finding.kind for finding in found.findings] and not found.facts.has_origin
    np.testing.assert_allclose(found.facts.centre, CENTRE, atol=1e-4)
    if not is_turned:
        np.testing.assert_array_equal(volume.data, data)
        np.testing.assert_allclose(volume.affine, GRID.affine, atol=1e-4)
    assert "origin" not in [finding.kind for finding in inspect_scan(tmp_path / name, GRID, recipe=1).findings]


def test_a_volume_of_another_shape_without_an_origin_is_centred_as_well(tmp_path):
    shape = (30, 32, 34)
    placed = place(shape, np.diag([4.0, 4, 4, 1]), 2)
    np.testing.assert_allclose(placed @ [*(np.array(shape) - 1) / 2, 1], [*CENTRE, 1])
    path = save(tmp_path / "a.nii.gz", np.pad(head(), 3), np.diag([4.0, 4, 4, 1]))
    np.testing.assert_allclose(load_volume(path, GRID).data, head(), atol=0.01)


def test_an_origin_like_any_other_is_believed():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        affine = GRID.affine
        affine[:3, 3] = -4.0 * LAST / 2 + rng.normal(0, 30, 3)
        assert has_origin(SHAPE, affine) and place(SHAPE, affine, 2) is affine
    for voxels in ((1, 0, 0), (0, 0, 1), (0.02, 0, 0)):  # beside a corner, and beside the middle
        for start in (0 * LAST, -LAST / 2 + (0, 0, 7)):
            affine[:3, 3] = 4.0 * (start + voxels)
            assert has_origin(SHAPE, affine)
    assert has_origin(GRID.shape, GRID.affine) and has_origin(Grid().shape, Grid().affine)
    zero = np.diag([4.0, 4, 4, 1])
    assert not has_origin(SHAPE, zero) and place(SHAPE, zero, 1) is zero


def test_the_grid_is_covered_or_not():
    assert covers(SHAPE, GRID.affine, GRID) and covers((30, 30, 30), shifted(-1, -1, -1), GRID)
    assert not covers(SHAPE, shifted(0, 0.5, 0), GRID) and not covers((24, 26, 27), GRID.affine, GRID)


FACTS = Facts((24, 26, 28), (4.0, 4.0, 4.0), CENTRE, 1.5)


@pytest.mark.parametrize("count, without", [(2, 1), (6, 1), (6, 5), (9, 4)])
def test_a_cohort_that_mixes_volumes_with_and_without_an_origin_is_warned_of(count, without):
    facts = [FACTS._replace(has_origin=k >= without) for k in range(count)]
    named = [k for k, findings in enumerate(unlike_the_cohort(facts)) if "origins" in [f.kind for f in findings]]
    assert named == (list(range(without)) if 2 * without <= count else list(range(without, count)))


@pytest.mark.parametrize("has_origin", [True, False])
def test_a_cohort_of_one_kind_is_not(has_origin):
    assert not any(unlike_the_cohort([FACTS._replace(has_origin=has_origin)] * 6))
