"""Exact rank pooling against worked examples and its own optimality; the other projections against numpy."""

import nibabel
import numpy as np
import pytest

from dynjax import dynamic_image, project
from dynjax.errors import InputError
from dynjax.projection import exact
from dynjax.projection.exact import NotConverged, rank_svm, rank_svr
from dynjax.projection.project import PROJECTIONS
from dynjax.projection.store import Projection, project_scan
from dynjax.volumes.grid import Grid

T, K = np.arange(6)[:, None], np.arange(4)[None]
FRAMES = (3 * T + 5 * K + T * K) % 7

RANK_SVM = {
    2: ([0.26086957, -0.26086957, -0.17391304, -0.08695652], 0.0869565217),
    3: ([0.54545455, -0.18181818, 0, 0.18181818], 0.1818181818),
    4: ([0.4080756, -0.19458763, 0.03865979, 0.27190722], 0.3265857675),
    5: ([0.34, -0.29333333, 0.00666667, 0.30666667], 0.3521333333),
    6: ([0.24848485, -0.27705051, -0.06892929, 0.37252525], 0.4337738721),
}
RANK_SVR = [
    (6, {"root": False}, [2.55194472, 0.90405731, 1.45702281, 2.81375501]),
    (6, {}, [2.67103104, 0.81828896, 1.26278172, 2.49931078]),
    (6, {"c": 10.0}, [3.87238869, -1.43068785, 0.41956353, 6.26158719]),
    (1, {}, [0, 0.4472136, 0.34641016, 0.2]),
    (2, {}, [0.57517179, 0.85424032, 0.64529045, 0.32118634]),
    (3, {}, [1.14341972, 0.92495587, 0.83993029, 0.75600376]),
    (4, {}, [1.64514848, 0.95840541, 1.06274082, 1.27856452]),
    (5, {}, [2.18569259, 0.8263591, 1.2336945, 1.86820133]),
]


def objective(d, frames):
    """The paper's equation 2 as it stands there, lambda = 1."""
    count = len(frames)
    means = [frames[: t + 1].mean(0) for t in range(count)]
    loss = sum(max(0, 1 - d @ means[q] + d @ means[t]) for t in range(count) for q in range(t + 1, count))
    return d @ d / 2 + 2 / (count * (count - 1)) * loss


@pytest.mark.parametrize("count", RANK_SVM)
def test_rank_svm_solves_the_papers_equation(count):
    expected, energy = RANK_SVM[count]
    d = rank_svm(FRAMES[:count])
    np.testing.assert_allclose(d, expected, atol=2e-8)
    assert objective(d, FRAMES[:count]) == pytest.approx(energy, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_rank_svm_cannot_be_improved_upon(scale):
    frames = scale * np.random.default_rng(0).normal(size=(40, 300)).cumsum(0)
    d = rank_svm(frames)
    best = objective(d, frames)
    rng = np.random.default_rng(1)
    for size in (1e-1, 1e-3, 1e-5):
        change = size * np.linalg.norm(d) * rng.normal(size=300) / np.sqrt(300)
        assert objective(d + change, frames) >= best * (1 - 1e-6)


def test_one_frame_and_frames_that_are_all_alike_have_no_rank():
    assert (rank_svm(FRAMES[:1]) == 0).all()
    np.testing.assert_allclose(rank_svm(np.ones((5, 3))), 0, atol=1e-9)


@pytest.mark.parametrize(("count", "options", "expected"), RANK_SVR)
def test_rank_svr_is_that_of_the_public_codes(count, options, expected):
    np.testing.assert_allclose(rank_svr(FRAMES[:count], **options), expected, atol=1e-7)


def test_rank_svr_of_reversed_frames():
    np.testing.assert_allclose(rank_svr(FRAMES[::-1]), [1.75802606, 1.28171233, 2.88849154, 1.20934725], atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("name", PROJECTIONS)
def test_every_projection_along_every_axis(name, axis):
    volume = np.random.default_rng(0).integers(0, 900, (6, 7, 8)).astype(np.float32)
    image = project(volume, name, ("sagittal", "coronal", "axial")[axis])
    slices = np.moveaxis(volume, axis, 0).astype(np.float64)
    frames = slices.reshape(len(slices), -1) / volume.max()
    expected = {
        "dynamic": lambda: np.tensordot(2 * np.arange(1, len(slices) + 1) - len(slices) - 1, slices, 1),
        "max": lambda: slices.max(0),
        "mean": lambda: slices.mean(0),
        "ranksvm": lambda: rank_svm(frames).reshape(slices.shape[1:]),
        "svr": lambda: rank_svr(frames, 10.0).reshape(slices.shape[1:]),
    }[name]()
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_exact_rank_pooling_does_not_depend_on_the_unit_of_intensity():
    volume = np.random.default_rng(0).normal(size=(6, 7, 8))
    for name in ("ranksvm", "svr"):
        np.testing.assert_allclose(project(volume, name), project(volume * 1000, name), rtol=1e-4, atol=1e-6)


def test_triplanar_holds_the_three_planes():
    volume = np.random.default_rng(0).normal(size=(6, 6, 6)).astype(np.float32)
    image = project(volume, axis="triplanar")
    assert image.shape == (6, 6, 3)
    for channel, axis in enumerate(("axial", "coronal", "sagittal")):
        np.testing.assert_array_equal(image[..., channel], dynamic_image(volume, axis))


def test_a_scan_on_which_it_does_not_converge_is_named_and_the_way_round(tmp_path, monkeypatch):
    grid, path = Grid((32, 32, 32), 6.0), tmp_path / "scan.nii"
    data = np.random.default_rng(0).random(grid.shape, np.float32)
    nibabel.save(nibabel.Nifti1Image(data, grid.affine), path)
    with pytest.raises(NotConverged, match="did not converge: duality gap"):
        rank_svm(1e30 * data.reshape(32, -1).astype(np.float64))
    monkeypatch.setattr(exact, "ITERATIONS", 2)
    with pytest.raises(InputError, match=r"scan\.nii: refused: .* did not converge.*projection\.name, such as svr"):
        project_scan(path, Projection(grid, "ranksvm"))
