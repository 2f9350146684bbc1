"""The parts of `prepare` on volumes small enough to know the answer."""

import nibabel
import numpy as np
import pytest
from scipy import ndimage

pytest.importorskip("SimpleITK")
pytestmark = pytest.mark.slow  # for `make test-slow`, which installs SimpleITK; seconds

from dynjax.cohort.phantom.anatomy import AFFINE, load_anatomy
from dynjax.cohort.phantom.subject import draw_subjects, render_scan
from dynjax.files import sha256_of
from dynjax.preprocess.bias import flatten
from dynjax.preprocess.image import shrink, to_array, to_image
from dynjax.preprocess.picture import BRAIN, ENLARGED, TISSUE, draw
from dynjax.preprocess.prepared import _holds
from dynjax.preprocess.steps import Prepared, prepare_volume
from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.nifti import Volume
from dynjax.volumes.reading import RECIPES, Reading

OBLIQUE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.1, 0.2, -0.1) @ np.diag([1.1, 0.9, 1.3]), (-40, 7, 12)
)


def middle(image) -> np.ndarray:
    """The centre of mass in mm, RAS+."""
    return np.array(image.TransformContinuousIndexToPhysicalPoint(ndimage.center_of_mass(to_array(image))))


@pytest.mark.parametrize("size", [2.0, 4.0, 6.0])
def test_a_shrunk_image_stays_where_it_was(size):
    where = np.linalg.norm((np.indices((61, 72, 57)).T - (30, 36, 28)).T, axis=0)
    image = to_image((where < 15).astype(np.float32), OBLIQUE)
    assert middle(image) == pytest.approx(nibabel.affines.apply_affine(OBLIQUE, (30, 36, 28)), abs=1e-3)
    small = shrink(image, size)
    assert middle(small) == pytest.approx(middle(image), abs=0.05)
    assert np.allclose(small.GetSpacing(), size, rtol=0.3)


def test_a_flattened_head_is_as_bright_on_either_side():
    x = np.broadcast_to(np.linspace(-1, 1, 50)[:, None, None], (50, 50, 50))
    head = np.linalg.norm(np.indices((50, 50, 50)) - 24.5, axis=0) < 20
    biased = np.where(head, 100 * np.exp(0.8 * x), 0).astype(np.float32)
    flat = to_array(flatten(to_image(biased, np.diag([4.0, 4.0, 4.0, 1.0]))))
    sides = [flat[head & (x < -0.4)].mean(), flat[head & (x > 0.4)].mean()]
    assert sides[1] / sides[0] < 1.3 < biased[head & (x > 0.4)].mean() / biased[head & (x < -0.4)].mean()


def one_voxel(value: float) -> np.ndarray:
    data = np.zeros((50, 50, 50), np.float32)
    data[25, 25, 25] = value
    return data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.eye(20, dtype=np.float32)[..., None] + np.zeros(5, np.float32), "field of view is 50 x 50 x 12 mm"),
        (one_voxel(100), "nothing in it is as large as a head"),
        (-one_voxel(100), "nothing in it is as large as a head"),
    ],
)
def test_what_cannot_hold_a_head_is_refused(data, reason):
    with pytest.raises(RefusedVolume, match=reason):
        prepare_volume(Volume(data, np.diag([2.5, 2.5, 2.5, 1.0])), Reading())


def test_a_stripped_scan_keeps_its_own_mask():
    scan = render_scan(draw_subjects(10, seed=1)[3], 0, 1, load_anatomy()).astype(np.float32)
    scan[:, :, :20] = 0  # as nobody would strip it: no lower cerebellum
    prepared = prepare_volume(Volume(np.asfortranarray(scan), AFFINE), Reading())
    voxels = np.count_nonzero(scan) * np.linalg.det(prepared.matrix)
    assert prepared.brain.sum() == pytest.approx(voxels, rel=0.03) and prepared.similarity > 0.5
    assert not prepared.volume[:, :, :16].any() and (prepared.volume > 0)[prepared.brain].all()


def test_a_picture_shows_both_outlines_in_three_planes():
    brain = np.linalg.norm(np.indices((20, 30, 24)).T - (10, 15, 12), axis=-1).T < 8
    prepared = Prepared(1000.0 * brain, brain, 1.0 * ndimage.binary_erosion(brain, iterations=3), np.eye(4), 1.0)
    seen = draw(prepared)
    assert seen.shape == (30 * ENLARGED, (20 + 20 + 30) * ENLARGED, 3) and seen.dtype == np.uint8
    for plane in np.split(seen, np.cumsum([20, 20]) * ENLARGED, axis=1):
        assert all((plane == colour).all(-1).any() for colour in (BRAIN, TISSUE, (255, 255, 255)))


def test_a_record_of_before_is_of_the_first_recipe(tmp_path):
    (tmp_path / "a.nii.gz").write_text("a volume")
    about = {"made_of": {"nan": "refuse"}, "files": {"a.nii.gz": sha256_of(tmp_path / "a.nii.gz")}}
    for recipe in RECIPES:
        made_of = {"nan": "refuse", "volume_recipe": recipe}
        assert _holds(tmp_path, about, made_of, {"volume": "a.nii.gz"}) == (recipe == 1)
        assert _holds(tmp_path, about | {"made_of": made_of}, made_of, {"volume": "a.nii.gz"})
        assert not _holds(tmp_path, {}, made_of, {"volume": "a.nii.gz"})
