"""Where the voxels of a map lie in its files, on the grid and in the scan's own space."""

import gzip
import itertools
import resource
import struct

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, ornt_transform
from scipy import ndimage

from dynjax.errors import InputError
from dynjax.volumes.grid import Grid
from dynjax.volumes.map_files import write_map, write_map_in_scan
from dynjax.volumes.nifti import load_volume, read_volume
from dynjax.volumes.reading import Reading
from tests.volumes.bad_nifti import cases
from tests.volumes.test_density import GRID, OBLIQUE, SAME, affine_of

READING = Reading(GRID)
ORDERS = itertools.permutations(("RL", "AP", "SI"))
AXES = ["".join(sides) for order in ORDERS for sides in itertools.product(*order)]  # all 48 orientations


def head(shape, sides=(2, 2, 2)) -> np.ndarray:
    """A bright blob beside the middle in a dim one, by the voxels' indices; float32, 0 around."""
    from_middle = (np.indices(shape).T - (np.array(shape) - 1) / 2) * sides  # mm, [Z, Y, X, 3]
    dim = np.exp(-((np.linalg.norm(from_middle, axis=-1) / 8) ** 2))
    bright = np.exp(-((np.linalg.norm(from_middle - (6, -9, 4), axis=-1) / 4) ** 2))
    values = 30 * dim + 300 * bright
    return np.where(values > 1, values, 0).T.astype(np.float32)


def saved(kind, shape, affine, sides=(2, 2, 2), codes=None, **header):
    def save(path):
        image = kind(head(shape, sides), affine)
        if codes:
            image.set_sform(affine, codes[0])
            image.set_qform(affine, codes[1])
        for name, value in header.items():
            image.header[name] = value
        nibabel.save(image, path)

    return save


def without_codes(path):
    """A scan with sform_code and qform_code 0, as OASIS has them."""
    saved(NIFTI, SAME, CORNER)(path)
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<2h", content, 252, 0, 0)
    path.write_bytes(gzip.compress(bytes(content)))


def one_of_four_dimensions(path):
    nibabel.save(NIFTI(head(SAME)[..., None], affine_of((2, 2, 2), SAME, OBLIQUE)), path)


RAS = axcodes2ornt("RAS")
NIFTI, NIFTI2, MGH = nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.MGHImage
FINE, COARSE, LONG = (1, 1, 1.2), (4, 4, 4), (1.5, 1.5, 5)
WIDE, SMALL, SLICES = (54, 58, 42), (17, 18, 16), (42, 44, 14)
CORNER = np.diag([2.0, 2, 2, 1])
MIDDLE = CORNER.copy()
MIDDLE[:3, 3] = -np.array(SAME)
HAS_ORIGIN = {
    "fine.nii.gz": saved(NIFTI, WIDE, affine_of(FINE, WIDE), FINE, (1, 1)),
    "fine, left first.nii": saved(NIFTI, WIDE, affine_of(FINE, WIDE, flips=(-1, 1, 1)), FINE, (4, 0)),
    "coarse.nii.gz": saved(NIFTI, SMALL, affine_of(COARSE, SMALL), COARSE, (2, 1)),
    "shifted.nii.gz": saved(NIFTI, SAME, affine_of((2, 2, 2), SAME), codes=(0, 1)),
    "oblique.nii.gz": saved(NIFTI, WIDE, affine_of(FINE, WIDE, OBLIQUE), FINE, (1, 1)),
    "oblique, coarse.nii.gz": saved(NIFTI, SMALL, affine_of(COARSE, SMALL, OBLIQUE), COARSE, (1, 3)),
    "sagittal.nii.gz": saved(NIFTI, SLICES, affine_of(LONG, SLICES, (88, -3, 85), (1, -1, -1)), LONG, (1, 1)),
    "sheared.nii.gz": saved(NIFTI, WIDE, affine_of(FINE, WIDE, (2, 3, -4), shear=0.15), FINE, (3, 1)),
    "NIfTI-2.nii.gz": saved(NIFTI2, SAME, affine_of((2, 2, 2), SAME, OBLIQUE), codes=(1, 2)),
    "oblique.mgz": saved(MGH, WIDE, affine_of(FINE, WIDE, OBLIQUE), FINE),
    "pair.img": saved(nibabel.Nifti1Pair, SAME, affine_of((2, 2, 2), SAME, (0, 0, 9)), codes=(1, 1)),
    "4D.nii.gz": one_of_four_dimensions,
    "sizes.nii.gz": saved(NIFTI, WIDE, affine_of(FINE, WIDE), FINE, (1, 0), pixdim=[1, 1, 1, 1, 1, 1, 1, 1]),
}
NO_ORIGIN = {
    "corner.nii.gz": saved(NIFTI, SAME, CORNER, codes=(1, 1)),
    "corner, large.nii.gz": saved(NIFTI, WIDE, np.diag([-1, 1, 1.2, 1]), FINE, (1, 1)),
    "codes.nii.gz": without_codes,
    "middle.mgz": saved(MGH, SAME, MIDDLE),
    "analyze.img": saved(nibabel.AnalyzeImage, SAME, np.diag([-2.0, 2, 2, 1])),
}
SCANS = HAS_ORIGIN | NO_ORIGIN
DOUBTFUL = [case for case in cases() if case.verdict == "warning"]


def mapped(scan, reading=READING):
    """Takes what is read of a scan as its own map, and writes that in the scan's space."""
    volume, out = load_volume(scan, *reading), scan.with_name(f"map of {scan.stem}.nii.gz")
    total = write_map_in_scan(out, volume.data, scan, reading)
    return nibabel.load(scan), volume, nibabel.load(out), total


@pytest.fixture(scope="module")
def world(request, tmp_path_factory):
    """A scan of SCANS as `mapped` reads and writes it, once for all tests of it."""
    scan = tmp_path_factory.mktemp("scan") / request.param
    SCANS[request.param](scan)
    return mapped(scan)


def centre(values) -> np.ndarray:
    """The middle of the bright blob, in voxels."""
    return np.array(ndimage.center_of_mass(np.clip(values - 0.3 * values.max(), 0, None)))


@pytest.mark.parametrize("world", SCANS, indirect=True)
def test_a_map_lies_over_the_voxels_of_the_scan_that_it_was_made_from(world):
    scan, volume, written, total = world
    data, values = np.asarray(scan.dataobj, np.float32), np.asarray(written.dataobj)
    assert values.shape == data.shape[:3] and values.dtype == np.float32
    peaks = [np.unravel_index(each.argmax(), each.shape) for each in (data.reshape(values.shape), values)]
    sides = np.linalg.norm(scan.affine[:3, :3], axis=0)
    assert (abs(np.subtract(*peaks)) * sides <= np.maximum(sides, GRID.spacing)).all()
    apart = (centre(values) - centre(data.reshape(values.shape))) * sides  # mm
    assert np.linalg.norm(apart) < 0.25 * max(GRID.spacing, *sides)
    assert total == pytest.approx(volume.data.sum(dtype=float), rel=0.01)
    size = abs(np.linalg.det(written.affine[:3, :3]))
    assert values.sum(dtype=float) * size == pytest.approx(total, rel=1e-5)
    assert np.prod(written.header.get_zooms()) == pytest.approx(size, rel=0.02)


@pytest.mark.parametrize("world", HAS_ORIGIN, indirect=True)
def test_it_lies_where_the_map_on_the_grid_lies(world, tmp_path):
    _, volume, written, _ = world
    write_map(tmp_path / "grid.nii.gz", volume.data, volume.affine)
    on_grid = nibabel.load(tmp_path / "grid.nii.gz")
    places = [nibabel.affines.apply_affine(i.affine, centre(np.asarray(i.dataobj))) for i in (on_grid, written)]
    assert np.linalg.norm(np.subtract(*places)) < 0.1 * max(2, *np.linalg.norm(written.affine[:3, :3], axis=0))


@pytest.mark.parametrize("world", SCANS, indirect=True)
def test_affine_and_codes_are_the_scans(world):
    scan, _, written, _ = world
    np.testing.assert_allclose(written.affine, scan.affine, atol=1e-4)
    if isinstance(scan, nibabel.Nifti1Pair):
        assert isinstance(written, NIFTI2) == isinstance(scan, NIFTI2)
        np.testing.assert_array_equal(written.affine, scan.affine)
        for form in ("sform", "qform"):
            assert written.header[f"{form}_code"] == scan.header[f"{form}_code"]
            placed, expected = (getattr(image, f"get_{form}")(coded=True)[0] for image in (written, scan))
            assert (placed is None) == (expected is None) and (placed is None or (placed == expected).all())
    else:
        np.testing.assert_allclose(written.get_sform(coded=True)[0], scan.affine, atol=1e-4)
        np.testing.assert_allclose(written.get_qform(coded=True)[0], scan.affine, atol=1e-4)


@pytest.mark.parametrize("case", DOUBTFUL, ids=lambda case: case.file)
def test_of_a_scan_with_a_doubtful_header_it_lies_as_that_is_read(tmp_path, case, caplog):
    scan, out, reading = tmp_path / case.file, tmp_path / "map.nii.gz", Reading(Grid((24, 26, 28), 2.0))
    case.write(scan)
    values = load_volume(scan, *reading).data
    total = write_map_in_scan(out, values, scan, reading)
    expected, found = read_volume(scan), read_volume(out)
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-4)
    assert np.corrcoef(found.data.ravel(), expected.data.ravel())[0, 1] > 0.88
    assert total == pytest.approx(values.sum(dtype=float), rel=0.02)
    assert not caplog.records  # nibabel found nothing to correct


@pytest.mark.parametrize("axes", AXES)
def test_voxels_of_a_scan_on_the_grid_are_permuted_and_flipped_alone(tmp_path, axes):
    image = NIFTI(head(GRID.shape), GRID.affine)
    nibabel.save(image.as_reoriented(ornt_transform(RAS, axcodes2ornt(axes))), tmp_path / "a.nii.gz")
    scan, volume, written, total = mapped(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.data, head(GRID.shape))
    np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(scan.dataobj) / np.float32(8))
    assert "".join(nibabel.aff2axcodes(written.affine)) == axes and (written.affine == scan.affine).all()
    assert total == pytest.approx(volume.data.sum(dtype=float), rel=1e-6)


@pytest.mark.parametrize("axes", AXES[::5])
def test_voxels_of_a_scan_beside_the_grid_lie_as_the_scans_do_in_any_order_of_axes(tmp_path, axes):
    image = NIFTI(head(SAME), affine_of((2, 2, 2), SAME, OBLIQUE))
    nibabel.save(image, tmp_path / "ras.nii.gz")
    nibabel.save(image.as_reoriented(ornt_transform(RAS, axcodes2ornt(axes))), tmp_path / "a.nii.gz")
    expected, found = (mapped(tmp_path / name)[2] for name in ("ras.nii.gz", "a.nii.gz"))
    back = found.as_reoriented(ornt_transform(axcodes2ornt(axes), RAS))
    np.testing.assert_allclose(back.get_fdata(), expected.get_fdata(), atol=1e-3)


@pytest.mark.parametrize("affine", [CORNER, GRID.affine + np.eye(4, k=3) * 7], ids=["no origin", "another origin"])
def test_by_the_first_recipe_a_scan_of_the_grids_shape_is_on_it_wherever_it_lies(tmp_path, affine):
    nibabel.save(NIFTI(head(GRID.shape), affine), tmp_path / "a.nii.gz")
    _, volume, written, _ = mapped(tmp_path / "a.nii.gz", READING._replace(recipe=1))
    np.testing.assert_array_equal(np.asarray(written.dataobj), head(GRID.shape) / 8)
    write_map(tmp_path / "grid.nii.gz", volume.data, volume.affine)
    for image in (written, nibabel.load(tmp_path / "grid.nii.gz")):
        np.testing.assert_array_equal(image.affine, affine)


def test_by_the_first_recipe_a_scan_without_an_origin_lies_where_its_affine_says(tmp_path):
    NO_ORIGIN["middle.mgz"](tmp_path / "a.mgz")
    scan, _, written, _ = mapped(tmp_path / "a.mgz", READING._replace(recipe=1))
    places = [centre(np.asarray(image.dataobj)[:, :, 14:]) for image in (scan, written)]  # what the grid has of it
    np.testing.assert_allclose(*places, atol=0.2)


@pytest.mark.parametrize("affine", [GRID.affine, Grid(GRID.shape, 1.99).affine])
def test_the_map_on_the_grid(tmp_path, affine):
    write_map(tmp_path / "a.nii.gz", head(GRID.shape), affine)
    image = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), head(GRID.shape))
    assert image.get_data_dtype() == np.float32 and image.header.get_xyzt_units()[0] == "mm"
    for placed, code in (image.get_sform(coded=True), image.get_qform(coded=True)):
        assert code == 2
        np.testing.assert_allclose(placed, affine, atol=1e-5)


def test_what_lies_outside_the_scan_is_missing_from_the_sum(tmp_path):
    """The map is not scaled to make up for it."""
    shape = (48, 52, 22)  # the lower half
    affine = Grid((48, 52, 44), 1.0).affine
    nibabel.save(NIFTI(head((48, 52, 44), (1, 1, 1))[..., :22], affine), tmp_path / "a.nii.gz")
    ones = np.ones(GRID.shape, np.float32)
    total = write_map_in_scan(tmp_path / "map.nii.gz", ones, tmp_path / "a.nii.gz", READING)
    assert nibabel.load(tmp_path / "map.nii.gz").shape == shape
    assert total == pytest.approx(ones.sum() / 2, rel=0.05)
    np.testing.assert_allclose(nibabel.load(tmp_path / "map.nii.gz").get_fdata()[4:-4, 4:-4, 4:], 1 / 8)


def test_on_a_full_disk_nothing_is_half_written(tmp_path):
    scan, values = tmp_path / "scan.nii.gz", np.random.default_rng(0).random(GRID.shape, np.float32)
    SCANS["shifted.nii.gz"](scan)
    before = sorted(tmp_path.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*/a\.nii\.gz'"):
            write_map(tmp_path / "a.nii.gz", values, GRID.affine)
        with pytest.raises(OSError, match=r"File too large: '.*/b\.nii\.gz'"):
            write_map_in_scan(tmp_path / "b.nii.gz", values, scan, READING)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(tmp_path.iterdir()) == before


def test_a_scan_that_is_gone_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.nii\.gz: refused: no such file; correct its path"):
        write_map_in_scan(tmp_path / "map.nii.gz", head(GRID.shape), tmp_path / "gone.nii.gz", READING)
    assert not list(tmp_path.iterdir())


def test_the_same_map_makes_the_same_bytes(tmp_path):
    scan = tmp_path / "scan.nii.gz"
    SCANS["coarse.nii.gz"](scan)
    for name in ("one.nii.gz", "two.nii.gz"):
        write_map_in_scan(tmp_path / name, head(GRID.shape), scan, READING)
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()
