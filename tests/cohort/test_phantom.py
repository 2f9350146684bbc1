"""The phantom cohort: reproducible, laid out as ADNI's, and no easier than its severity allows."""

import re

import nibabel
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from dynjax.cohort.folds import make_folds
from dynjax.cohort.phantom import download
from dynjax.cohort.phantom.anatomy import AFFINE, SHAPE, load_anatomy
from dynjax.cohort.phantom.download import RECIPE, phantom_cohort
from dynjax.cohort.phantom.subject import SEPARATION, STRUCTURES, best_auc, draw_subjects, render_scan
from dynjax.cohort.table import load_cohort
from dynjax.volumes.grid import Grid, fits


def tree(folder):
    """Every file's name and content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_ceiling_is_that_of_the_severities():
    """Over many subjects the severity's own AUC is the stated one; labels, ages and sexes are as the README says."""
    assert best_auc(SEPARATION) == pytest.approx(0.950, abs=1e-3)
    subjects = draw_subjects(9000, seed=5)
    diseased = [subject.label == "AD" for subject in subjects]
    severities = [subject.severity for subject in subjects]
    assert roc_auc_score(diseased, severities) == pytest.approx(best_auc(SEPARATION), abs=0.006)
    assert sum(diseased) == 4410
    for trait in ([s.age for s in subjects], [s.sex == "F" for s in subjects], [s.visits for s in subjects]):
        assert abs(roc_auc_score(diseased, trait) - 0.5) < 0.02


def test_other_scans_need_another_recipe():
    """Caches keep cohorts by RECIPE: whoever changes what a phantom looks like has to raise it, and then this pair."""
    volume = render_scan(draw_subjects(12, seed=0)[0], 0, 0, load_anatomy(), False).astype(float)
    assert (RECIPE, volume.mean()) == (2, pytest.approx(112.4194, rel=1e-5))


def test_the_label_acts_through_the_severity_alone():
    """What makes the ceiling hold: of equal severity, diseased and healthy have the same scan, bit for bit."""
    subject = draw_subjects(10, seed=1)[3]
    other = {"CN": "AD", "AD": "CN"}[subject.label]
    scans = [render_scan(subject._replace(label=label), 0, 1, load_anatomy()) for label in (subject.label, other)]
    assert (scans[0] == scans[1]).all()


def test_severity_makes_fluid_of_tissue():
    subject = draw_subjects(10, seed=1)[0]
    fluid = []
    for severity in (-1.0, 1.0, 3.0):
        scan = render_scan(subject._replace(severity=severity), 0, 1, load_anatomy())
        assert scan.dtype == np.int16 and scan.shape == SHAPE and (scan[0] == 0).all()
        fluid.append(np.count_nonzero((scan > 0) & (scan < 400)))
    assert fluid[0] * 1.1 < fluid[1] and fluid[1] * 1.1 < fluid[2]


def test_skull_is_added_to_the_same_subjects():
    subject = draw_subjects(10, seed=1)[0]
    bare, whole = (render_scan(subject, 0, 1, load_anatomy(), skull=skull).astype(float) for skull in (False, True))
    inside = bare > 500
    assert np.corrcoef(bare[inside], whole[inside])[0, 1] > 0.8
    assert (whole > 500).sum() > 1.15 * (bare > 500).sum() and (whole[:2] > 0).mean() > 0.5


def test_laid_out_as_a_download_made_once_and_bit_identical(tmp_path, monkeypatch, capsys):
    folder = phantom_cohort(n=6, seed=2)
    cohort = load_cohort(folder)
    assert cohort.synthetic and len(cohort.scans) == 6 and cohort.targets.count(0) == 3
    parts = cohort.scans[0].path.relative_to(folder).parts
    assert re.fullmatch(r"\d{3}_S_\d{4}", parts[1]) and parts[2].startswith("Spatially_Normalized,_Masked_and_N3")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d_\d\d_\d\d\.0", parts[3]) and re.fullmatch(r"I\d+", parts[4])
    image = nibabel.load(cohort.scans[0].path)
    assert image.get_data_dtype() == np.int16 and (image.affine == AFFINE).all()
    assert fits(image.shape, image.affine, Grid()), "the phantoms fit the default grid as they are"
    text = (folder / "README.md").read_text()
    assert "0.950" in text and "synthetic" in text

    capsys.readouterr()
    assert phantom_cohort(n=6, seed=2) == folder and capsys.readouterr().out == ""
    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path))
    again = phantom_cohort(n=6, seed=2)
    assert again != folder and tree(again) == tree(folder)


def test_no_two_settings_share_a_folder(monkeypatch):
    """The digest in the folder's name is of all settings: labels and recipe stand nowhere else in it."""
    monkeypatch.setattr(download, "_make", lambda *_: None)
    first = {"n": 6, "seed": 2, "skull": False, "labels": ("CN", "AD")}
    changes = [{}, {"n": 7}, {"seed": 3}, {"skull": True}, {"labels": ("CN", "MCI")}, {"labels": ("AD", "CN")}]
    folders = [phantom_cohort(**first | change) for change in changes]
    monkeypatch.setattr(download, "RECIPE", RECIPE + 1)
    folders.append(phantom_cohort(**first))
    assert len(set(folders)) == len(changes) + 1


def test_a_second_cohort_with_skull_has_the_same_subjects_and_folds():
    bare, skull = (load_cohort(phantom_cohort(n=6, seed=2, skull=skull)) for skull in (False, True))
    assert [scan[:3] for scan in bare.scans] == [scan[:3] for scan in skull.scans]
    assert (make_folds(bare, 3, 0) == make_folds(skull, 3, 0)).all()
    assert bare.scans[0].path.read_bytes() != skull.scans[0].path.read_bytes()


@pytest.mark.slow
def test_a_linear_svm_on_voxels_lands_between_080_and_090():
    """The difficulty of the default cohort, and over three seeds never above the ceiling by more than chance."""
    areas = [_svm_auc(seed) for seed in range(3)]
    assert 0.80 <= areas[0] <= 0.90
    assert 0.80 <= np.mean(areas) <= 0.90
    assert max(areas) < best_auc(SEPARATION) + 0.04  # two standard errors of an AUC of 0.95 over 100 subjects


def _svm_auc(seed: int) -> float:
    subjects = draw_subjects(100, seed)
    voxels = np.stack([render_scan(s, 0, seed, load_anatomy()).ravel() for s in subjects]).astype(np.float32)
    labels = np.array([subject.label == "AD" for subject in subjects])
    voxels -= voxels.mean(0)
    products = voxels @ voxels.T
    products /= np.trace(products) / len(products)
    scores = np.empty(100)
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(voxels, labels):
        svm = SVC(kernel="precomputed").fit(products[np.ix_(train, train)], labels[train])
        scores[test] = svm.decision_function(products[np.ix_(test, train)])
    return roc_auc_score(labels, scores)


def test_a_spared_structure_is_as_without_the_disease():
    ill = draw_subjects(4, 0)[0]._replace(severity=3.0)
    anatomy = load_anatomy()
    scan = render_scan(ill, 0, 0, anatomy)
    well = render_scan(ill._replace(severity=0.0), 0, 0, anatomy)
    np.testing.assert_array_equal(render_scan(ill, 0, 0, anatomy, spared=tuple(STRUCTURES)), well)
    changed = [render_scan(ill, 0, 0, anatomy, spared=(name,)) != scan for name in STRUCTURES]
    assert all(each.any() for each in changed)
    assert (changed[1] & changed[0]).sum() < 0.5 * changed[1].sum(), "each is elsewhere"


def test_a_scan_is_the_same_if_all_that_is_far_from_the_brain_is_rendered_too():
    anatomy = load_anatomy()
    everywhere = anatomy._replace(near_brain=np.ones(anatomy.grey.shape, bool))
    assert anatomy.near_brain.mean() < 0.3
    for subject in draw_subjects(4, seed=5):
        scan = render_scan(subject, 0, 5, anatomy)
        np.testing.assert_array_equal(scan, render_scan(subject, 0, 5, everywhere))
        assert scan.any()
