"""What becomes of a volume's texture, size and surroundings when it is resampled."""

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from dynjax.volumes.grid import Grid
from dynjax.volumes.inspection import inspect_scan
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.resampling import FWHM, background, faces, resample, resample_smoothly, smoothing

GRID = Grid((32, 34, 36), 2.0)


def affine_of(sides, shape=None, turn=0.0) -> np.ndarray:
    """Voxels of the given sides, in the middle of the grid, turned by an angle about z."""
    cosine, sine = np.cos(turn), np.sin(turn)
    affine = np.diag([*sides, 1.0])
    affine[:3, :3] = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ affine[:3, :3]
    if shape is not None:
        affine[:3, 3] = (0.0, -18.0, 20.0) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_voxels_smaller_than_the_grids_are_smoothed_by_what_they_lack(turn):
    deviations = np.array(smoothing(affine_of((1.0, 2.0, 1.5), turn=turn), 2.0))
    widths = deviations * FWHM * (1.0, 2.0, 1.5)  # mm
    np.testing.assert_allclose(widths, np.sqrt([3.0, 0.0, 1.75]))
    assert smoothing(affine_of((2.0, 3.0, 1.99)), 2.0) == [0, 0, 0]


def test_what_is_not_coarsened_is_resampled_as_before():
    data = np.random.default_rng(0).normal(size=(20, 24, 28)).astype(np.float32)
    affine = affine_of((2.0, 2.5, 3.0), data.shape)
    assert resample_smoothly(data, affine, GRID).tobytes() == resample(data, affine, GRID).tobytes()


@pytest.mark.parametrize("sides", [(1.0, 1.0, 1.0), (0.9, 2.0, 3.0), (1.0, 1.5, 0.8)])
@pytest.mark.parametrize("fill", [0.0, -1.5])
@pytest.mark.parametrize("shape", [(50, 60, 70), (90, 100, 110)])
def test_along_the_axes_it_equals_smoothing_and_resampling(sides, fill, shape):
    """The fast way for volumes that lie along the grid's axes against SciPy's Gaussian and the plain way."""
    data = np.asfortranarray(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    affine = affine_of(sides, shape)
    affine[:3, 3] += (3.3, -5.1, 0.7)
    deviations = smoothing(affine, GRID.spacing)
    expected = resample(ndimage.gaussian_filter(data, deviations, mode="nearest"), affine, GRID, fill)
    found = resample_smoothly(data, affine, GRID, fill)
    assert found.dtype == np.float32 and found.flags.f_contiguous and found.shape == GRID.shape
    np.testing.assert_allclose(found, expected, atol=2e-6)
    turned = resample_smoothly(data, affine @ affine_of((1, 1, 1), turn=1e-3), GRID, fill)  # the other way
    middle = (slice(8, 24),) * 3  # where a thousandth changes little
    assert np.corrcoef(turned[middle].ravel(), expected[middle].ravel())[0, 1] > 0.99


def test_texture_finer_than_the_grid_becomes_no_noise_on_it():
    """White noise of voxels of 1 mm would leave more of its deviation than an average over the grid's voxels does."""
    shape = (80, 84, 88)
    noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    affine = affine_of((1.0, 1.0, 1.0), shape)
    affine[:3, 3] += 0.5 - (affine[:3, 3] - GRID.affine[:3, 3]) % 1  # the grid's voxels lie between eight of these
    averaged = ndimage.uniform_filter(noise, 2)[::2, ::2, ::2].std()
    plain, smooth = (f(noise, affine, GRID)[2:-2, 2:-2, 2:-2].std() for f in (resample, resample_smoothly))
    assert smooth < averaged and plain > 2 * smooth
    flat = resample_smoothly(noise * 0 + 7, affine, GRID)
    np.testing.assert_allclose(flat, 7, rtol=1e-6)


def volume(inside, around, noise=0.0, shape=(30, 30, 30)) -> np.ndarray:
    rng = np.random.default_rng(0)
    radius = np.linalg.norm(np.indices(shape) - 14.5, axis=0)
    brain = inside[0] + (inside[1] - inside[0]) * rng.random(shape)
    return np.where(radius < 11, brain, around + noise * rng.normal(size=shape)).astype(np.float32)


def scored(data: np.ndarray) -> np.ndarray:
    return (data - data.mean()) / data.std()


RAW = abs(volume((300, 900), 10, 8))  # noise around the head
STRIPPED = volume((300, 900), 0)
TIGHT = STRIPPED[6:-6, 6:-6, 6:-6]  # the brain reaches all faces
RINGING = STRIPPED - 3 * (np.random.default_rng(1).random(STRIPPED.shape) < 0.2)
BACKGROUNDS = {
    "stripped": (STRIPPED, 0),
    "raw": (RAW, 0),
    "tight": (TIGHT, 0),
    "ringing": (RINGING, 0),
    "raw with ringing": (RAW - 6, 0),
    "scored within the brain": (np.where(STRIPPED > 0, scored(STRIPPED), 0), 0),
    "scored": (scored(STRIPPED), scored(STRIPPED).min()),
    "scored, tight": (scored(STRIPPED)[4:-4, 4:-4, 4:-4], scored(STRIPPED).min()),
    "CT": (volume((0, 80), -1024), -1024),
    "unsigned CT": (volume((1024, 1100), 24), 24),
    "inverted": (1000 - STRIPPED, 1000),
    "scored head": (scored(RAW), scored(RAW)[0].mean()),
}
BACKGROUNDS = {name: (*made, 0.1 if name == "scored head" else 0) for name, made in BACKGROUNDS.items()}


@pytest.mark.parametrize("data, value, tolerance", BACKGROUNDS.values(), ids=BACKGROUNDS)
def test_the_background_is_found(data, value, tolerance):
    data = np.asarray(data, np.float32)
    assert abs(background(faces(data), float(data.min()), float(data.max())) - value) <= tolerance


@pytest.mark.parametrize("data, value, tolerance", BACKGROUNDS.values(), ids=BACKGROUNDS)
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "scaled"])
def test_it_is_put_around_the_volume_and_said(tmp_path, data, value, tolerance, dtype):
    grid = Grid((40, 40, 40), 2.0)
    image = nibabel.Nifti1Image(np.asarray(data, np.float32), affine_of((2.0, 2.0, 2.0), data.shape))
    image.set_data_dtype(np.int16 if dtype == "scaled" else dtype)
    nibabel.save(image, tmp_path / "a.nii.gz")
    corner, found = load_volume(tmp_path / "a.nii.gz", grid).data[0, 0, 0], inspect_scan(tmp_path / "a.nii.gz", grid)
    step = np.ptp(data) / 2**16 if dtype == "scaled" else 1e-6
    assert abs(corner - value) <= tolerance + step
    warned = "background" in [finding.kind for finding in found.findings]
    assert warned == (value != 0) and found.verdict == ("warning" if warned else "ok")
    assert load_volume(tmp_path / "a.nii.gz", grid, recipe=1).data[0, 0, 0] == 0
    small = Grid((32, 32, 32), 1.0)  # within the volume: nothing is put around it
    assert "background" not in [finding.kind for finding in inspect_scan(tmp_path / "a.nii.gz", small).findings]


def test_facts_of_a_volume_do_not_depend_on_its_background(tmp_path):
    for name, data in (("plain", STRIPPED), ("scored", scored(STRIPPED)), ("inverted", 1000 - STRIPPED)):
        image = nibabel.Nifti1Image(data.astype(np.float32), affine_of((2, 2, 2), data.shape))
        nibabel.save(image, tmp_path / f"{name}.nii")
    plain, *others = (inspect_scan(tmp_path / f"{n}.nii", GRID).facts for n in ("plain", "scored", "inverted"))
    assert others == [plain, plain] and plain.filled == pytest.approx(4 / 3 * np.pi * 11**3 * 8e-6, rel=0.02)


def test_a_brain_beyond_the_grid_is_refused_also_where_its_background_reaches_into_it(tmp_path):
    data = np.full((60, 30, 30), -1024.0, np.float32)
    data[:20] = np.random.default_rng(0).normal(0, 100, (20, 30, 30))
    affine = affine_of((2.0, 2.0, 2.0), data.shape)
    affine[0, 3] -= 50
    data[0, :, :] = data[:, [0, -1]] = data[:, :, [0, -1]] = -1024
    nibabel.save(nibabel.Nifti1Image(data, affine), tmp_path / "a.nii.gz")
    assert inspect_scan(tmp_path / "a.nii.gz", GRID).findings[0].kind == "outside the grid"
    with pytest.raises(Exception, match="does not overlap"):
        load_volume(tmp_path / "a.nii.gz", GRID)
