"""What baselines see: the same products whatever the blocks, thresholds that follow the scale, what lacks by name."""

import nibabel
import numpy as np
import pytest

from dynjax.baselines.features import FEATURES, gram_matrix
from dynjax.cohort.scan import Cohort, Scan
from dynjax.errors import InputError
from dynjax.volumes.grid import Grid
from dynjax.volumes.reading import Reading

GRID = Grid((32, 32, 32), 2.0)
READING = Reading(GRID)


@pytest.fixture
def cohort(tmp_path):
    """Seven heads: a shell of fluid at 250 around white matter at 900, of a radius that grows."""
    distance = np.linalg.norm(np.indices(GRID.shape) - 15.5, axis=0)
    scans = []
    for index in range(7):
        volume = np.where(distance < 6 + index, 900.0, 250.0) * (distance < 14)
        volume += np.random.default_rng(index).uniform(0, 20, volume.shape)
        path = tmp_path / f"{index}.nii"
        nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), GRID.affine), path)
        scans.append(Scan(f"s{index}", "1", ["CN", "AD"][index % 2], path, age=str(70 + index), sex="FM"[index % 2]))
    return Cohort(tuple(scans), ("CN", "AD"), "scans.csv", False, {})


@pytest.mark.parametrize("block", [1, 3, 64])
def test_products_are_those_of_all_voxels_whatever_the_blocks(cohort, block):
    voxels = np.stack([nibabel.load(scan.path).get_fdata().ravel() for scan in cohort.scans])
    products = gram_matrix([scan.path for scan in cohort.scans], READING, block)
    np.testing.assert_allclose(products, voxels @ voxels.T, rtol=1e-5)
    features = FEATURES["svm_voxels"](cohort, READING)
    assert features.size == 32**3 and np.diag(features.values) == pytest.approx(1)


def test_the_mask_is_all_that_its_kernel_knows(cohort):
    """Other intensities within the same heads change nothing, a voxel more does."""
    before = FEATURES["svm_mask"](cohort, READING)
    heads = np.stack([nibabel.load(scan.path).get_fdata().ravel() > 100 for scan in cohort.scans]).astype(float)
    sizes = heads.sum(1)
    assert before.values == pytest.approx(heads @ heads.T / np.sqrt(np.outer(sizes, sizes))) and before.size == 32**3
    voxels = FEATURES["svm_voxels"](cohort, READING).values
    inside = np.linalg.norm(np.indices(GRID.shape) - 15.5, axis=0) < 14
    for index, scan in enumerate(cohort.scans):
        volume = np.where(inside, np.random.default_rng(index).uniform(300, 1200, GRID.shape), 0.0)
        nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), GRID.affine), scan.path)
    assert (FEATURES["svm_mask"](cohort, READING).values == before.values).all()
    assert (FEATURES["svm_voxels"](cohort, READING).values != voxels).any()
    volume[0, 0, 0] = 1000
    nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), GRID.affine), cohort.scans[-1].path)
    assert (FEATURES["svm_mask"](cohort, READING).values[-1, :-1] < before.values[-1, :-1]).all()


def test_one_number_a_scan(cohort):
    volumes = FEATURES["brain_volume"](cohort, READING)
    expected = [4 / 3 * np.pi * (2 * (6 + index)) ** 3 / 1000 for index in range(7)]  # ml of a ball
    assert volumes.values.shape == (7, 1) and volumes.values[:, 0] == pytest.approx(expected, rel=0.03)
    brightness = FEATURES["mean_intensity"](cohort, READING).values[:, 0]
    shares = ((np.arange(7) + 6) / 14) ** 3
    assert brightness == pytest.approx(250 + 650 * shares + 10, rel=0.02), "background does not count"


def test_age_and_sex_are_the_tables_and_what_lacks_is_listed(cohort):
    values = FEATURES["age_sex"](cohort, READING).values
    assert values[:2].tolist() == [[70.0, "F"], [71.0, "M"]]
    scans = (cohort.scans[0]._replace(age="n/a"), cohort.scans[1]._replace(sex=""), *cohort.scans[2:])
    with pytest.raises(InputError, match=r"needs a numeric age and a sex") as error:
        FEATURES["age_sex"](cohort._replace(scans=scans), READING)
    assert "subject s0, session 1: age ''" in str(error.value) and "subject s1, session 1: sex ''" in str(error.value)
    assert "s2" not in str(error.value)


def test_a_scan_that_is_refused_is_named(cohort):
    cohort.scans[3].path.write_bytes(b"no scan")
    for name in ("svm_voxels", "svm_mask", "brain_volume"):
        with pytest.raises(InputError, match=r"3\.nii: refused"):
            FEATURES[name](cohort, READING)
