"""Scans of every kind to one canonical array, and the reasons why others are refused."""

import gzip

import nibabel
import numpy as np
import pytest

from dynjax.errors import InputError
from dynjax.volumes.digests import content_digest
from dynjax.volumes.grid import Grid, fits
from dynjax.volumes.nifti import load_volume

RAS = np.array([[2.0, 0, 0, -10], [0, 2, 0, -20], [0, 0, 2, -30], [0, 0, 0, 1]])


def ramp(dtype=np.int16, shape=(4, 5, 6)):
    return np.arange(1, np.prod(shape) + 1).reshape(shape).astype(dtype)


def save(path, data, affine=RAS, kind=nibabel.Nifti1Image, **header):
    image = kind(data, affine)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img", "a.mgz"])
def test_formats(tmp_path, name):
    kind = {"img": nibabel.Nifti1Pair, "mgz": nibabel.MGHImage}.get(name.split(".")[-1], nibabel.Nifti1Image)
    volume = load_volume(save(tmp_path / name, ramp(np.float32), kind=kind))
    assert volume.data.dtype == np.float32 and volume.data.flags.f_contiguous
    np.testing.assert_array_equal(volume.data, ramp())
    np.testing.assert_allclose(volume.affine, RAS, atol=1e-5)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i2", "<u2", ">i4", "<i8", "<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_types_and_byte_orders(tmp_path, dtype, kind):
    data = ramp(dtype)
    endian = ">" if dtype.startswith(">") else "<"
    image = kind(data, RAS, kind.header_class(endianness=endian), dtype=data.dtype)
    nibabel.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(load_volume(tmp_path / "a.nii.gz").data, data.astype(np.float32))


def test_analyze_and_its_digest(tmp_path):
    nibabel.save(nibabel.AnalyzeImage(ramp(), np.diag([-2.0, 2, 2, 1])), tmp_path / "a.img")
    volume = load_volume(tmp_path / "a.hdr")
    np.testing.assert_array_equal(volume.data, load_volume(tmp_path / "a.img").data)
    np.testing.assert_array_equal(volume.data[::-1], ramp())  # Analyze is stored with x from right to left
    before = content_digest(tmp_path / "a.img")
    assert before == content_digest(tmp_path / "a.hdr")
    header = bytearray((tmp_path / "a.hdr").read_bytes())
    header[-1] ^= 1
    (tmp_path / "a.hdr").write_bytes(header)
    assert content_digest(tmp_path / "a.img") != before


def test_slope_and_intercept(tmp_path):
    image = nibabel.Nifti1Image(ramp(), RAS)
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / "a.nii")
    np.testing.assert_array_equal(load_volume(tmp_path / "a.nii").data, 0.5 * ramp() + 3)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SLA", "ASR"])
def test_orientations(tmp_path, axes):
    """However a file orders and flips its axes, the same anatomy comes out."""
    reference = nibabel.Nifti1Image(ramp(), RAS)
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(RAS), nibabel.orientations.axcodes2ornt(tuple(axes))
    )
    nibabel.save(reference.as_reoriented(turn), tmp_path / "a.nii.gz")
    volume = load_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.data, ramp())
    np.testing.assert_allclose(volume.affine, RAS, atol=1e-5)


def test_trailing_axes_of_length_one(tmp_path):
    path = save(tmp_path / "a.nii", ramp()[..., None, None])
    np.testing.assert_array_equal(load_volume(path).data, ramp())


def test_the_default_grid():
    grid = Grid()
    assert grid.shape == (110, 110, 110)
    np.testing.assert_array_equal(grid.affine, [[2, 0, 0, -109], [0, 2, 0, -127], [0, 0, 2, -89], [0, 0, 0, 1]])
    near = grid.affine @ np.diag([1.004, 1, 1, 1])
    assert fits(grid.shape, near, grid, 2) and not fits(grid.shape, near @ np.diag([1.01, 1, 1, 1]), grid, 2)
    moved = grid.affine.copy()
    moved[:3, 3] += 40
    assert fits(grid.shape, moved, grid, 1) and not fits((110, 110, 109), grid.affine, grid, 1)


@pytest.mark.parametrize("recipe, margin", [(1, 0), (2, 3)])
def test_resampling_is_linear_and_zero_outside(tmp_path, recipe, margin):
    """A linear ramp sampled on another grid is the same ramp; where the file has no voxels there is 0.

    Recipe 2 smooths first, which changes a ramp near its ends only, by some of the `margin` of 3 mm.
    """
    shape, spacing = (30, 34, 38), 1.5
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = [-20, -40, -5]
    x, y, z = np.meshgrid(*(affine[i, 3] + spacing * np.arange(shape[i]) for i in range(3)), indexing="ij")
    path = save(tmp_path / "a.nii.gz", (100 + x + 2 * y + 3 * z).astype(np.float32), affine)
    grid = Grid((20, 24, 28), 2.0)
    volume = load_volume(path, grid, recipe=recipe)
    assert volume.data.shape == grid.shape and volume.data.dtype == np.float32
    np.testing.assert_array_equal(volume.affine, grid.affine)
    gx, gy, gz = np.meshgrid(*(grid.affine[i, 3] + 2.0 * np.arange(grid.shape[i]) for i in range(3)), indexing="ij")
    ends = affine[:3, 3] + spacing * (np.array(shape) - 1)

    def within(margin):
        ranges = zip((gx, gy, gz), affine[:3, 3] + margin, ends - margin)
        return np.logical_and.reduce([(low <= each) & (each <= high) for each, low, high in ranges])

    exact = within(margin)
    assert 0.2 < exact.mean() < 1
    np.testing.assert_allclose(volume.data[exact], (100 + gx + 2 * gy + 3 * gz)[exact], rtol=1e-4, atol=1e-2)
    assert (volume.data[~within(0)] == 0).all() and (volume.data[within(0)] != 0).any()


def corrupt(path, position, value):
    content = bytearray(path.read_bytes())
    content[position] ^= value
    path.write_bytes(content)
    return path


def broken(tmp_path):
    """(path, what the refusal must say)"""
    good = save(tmp_path / "good.nii.gz", ramp())
    content = good.read_bytes()
    (tmp_path / "text.nii.gz").write_text("subject,age\n")
    (tmp_path / "text.nii").write_text("this is no image, " * 40)
    (tmp_path / "empty.nii.gz").touch()
    (tmp_path / "cut.nii.gz").write_bytes(content[:-30])
    (tmp_path / "no_trailer.nii.gz").write_bytes(content[:-8])
    (tmp_path / "crc.nii.gz").write_bytes(content)
    (tmp_path / "tail.nii.gz").write_bytes(gzip.compress(gzip.decompress(content) + bytes(2**21)))
    plain = save(tmp_path / "plain.nii", ramp())
    (tmp_path / "short.nii").write_bytes(plain.read_bytes()[:-1])
    (tmp_path / "scan.dcm").write_bytes(content)
    header = bytearray(plain.read_bytes())
    header[42:48] = np.array([32000, 32000, 32000], "<i2").tobytes()
    (tmp_path / "liar.nii").write_bytes(header)
    nan = ramp(np.float32)
    nan[0, 0, 0] = np.nan
    infinite = ramp(np.float32)
    infinite[1, 1, 1] = -np.inf
    singular = save(tmp_path / "singular.nii", ramp(), sform_code=1)
    corrupted = bytearray(singular.read_bytes())
    corrupted[280:328] = bytes(48)  # srow_x, srow_y, srow_z
    singular.write_bytes(corrupted)
    rgb = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    return [
        (tmp_path / "nowhere.nii.gz", "no such file"),
        (tmp_path, "refused"),
        (tmp_path / "text.nii.gz", "no NIfTI header"),
        (tmp_path / "text.nii", "no NIfTI header"),
        (tmp_path / "empty.nii.gz", "no NIfTI header"),
        (tmp_path / "cut.nii.gz", "truncated"),
        (tmp_path / "no_trailer.nii.gz", "truncated"),
        (corrupt(tmp_path / "crc.nii.gz", -6, 1), "CRC"),
        (tmp_path / "tail.nii.gz", "bytes follow its voxels"),
        (tmp_path / "short.nii", "truncated"),
        (tmp_path / "scan.dcm", "its name ends in none of"),
        (tmp_path / "liar.nii", "GiB of voxels"),
        (save(tmp_path / "nan.nii", nan), "1 of its voxels are NaN"),
        (save(tmp_path / "inf.nii.gz", infinite), "1 of its voxels are infinite"),
        (save(tmp_path / "constant.nii", np.full((4, 5, 6), 7, np.int16)), "all its voxels are 7"),
        (save(tmp_path / "flat.nii", ramp(shape=(4, 5))), "one 3D volume is needed"),
        (save(tmp_path / "film.nii", ramp(shape=(4, 5, 6, 2))), "one 3D volume is needed"),
        (save(tmp_path / "complex.nii", ramp(np.complex64)), "not plain numbers"),
        (save(tmp_path / "rgb.nii", rgb), "not plain numbers"),
        (singular, "affine"),
        (save(tmp_path / "far.nii", ramp(), RAS + np.eye(4)[:1].T @ np.eye(4)[3:] * 5000), "field of view"),
    ]


def test_whatever_cannot_be_used_is_refused_by_name(tmp_path):
    cases = broken(tmp_path)
    for path, said in cases:
        with pytest.raises(InputError) as error:
            load_volume(path, Grid())
        assert str(path) in str(error.value) and said in str(error.value), (path.name, str(error.value))
        assert "\n" not in str(error.value)
    assert len({path for path, _ in cases}) == len(cases)


def test_mutations_of_a_compressed_file_are_refused_or_harmless(tmp_path):
    """Whatever byte of a .nii.gz changes, the file is refused or gives the same array."""
    path = save(tmp_path / "good.nii.gz", ramp(shape=(6, 7, 8)))
    good, content = load_volume(path).data, path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        try:
            np.testing.assert_array_equal(load_volume(path).data, good)
        except InputError:
            refused += 1
    assert refused > 300
