"""A verdict for every scan, whatever it holds: the stated one, in little memory and time."""

import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from dynjax.errors import InputError
from dynjax.volumes.grid import Grid
from dynjax.volumes.inspection import Facts, inspect_scan
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.outliers import unlike_the_cohort
from tests.volumes import bounded
from tests.volumes.bad_nifti import AFFINE, SHAPE, Case, brain, cases, nifti

CASES = cases()
SECONDS = 2.0


def verdicts(folder: str, names: list[str]) -> dict:
    """Of each file: verdict, reason, remedy, and the seconds that it took."""
    answers = {}
    for name in names:
        start = time.process_time()
        found = inspect_scan(Path(folder, name), Grid())
        answers[name] = found.verdict, found.reason, found.remedy, time.process_time() - start
    return answers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    for case in CASES:
        case.write(folder / case.file)
    return folder


@pytest.fixture(scope="module")
def answers(folder):
    return bounded.call(verdicts, str(folder), [case.file for case in CASES])


def test_there_are_many_kinds():
    kinds = [case for case in CASES if case.verdict == "refused"]
    assert len(kinds) >= 60 and len([case for case in CASES if case.verdict == "warning"]) >= 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_each_gets_its_verdict_within_the_bounds(case: Case, folder, answers):
    verdict, reason, remedy, seconds = answers[case.file]
    assert (verdict, case.says in reason) == (case.verdict, True), reason
    assert bool(reason) == bool(remedy) == (verdict != "ok") and "\n" not in reason
    assert seconds < SECONDS
    if not case.large:
        assert refused_by_loading(folder / case.file) == (verdict == "refused")


NAN_CASES = [
    ("outside", np.s_[0:2], "warning", "448 of its voxels, outside the brain, are NaN and read as 0"),
    ("all around", None, "warning", "outside the brain"),
    ("inside", np.s_[6, 7, 8], "refused", "1 of its voxels inside the brain are NaN"),
    ("both", np.s_[[0, 1, 6], 7, 8], "refused", "1 of its voxels inside the brain"),
]


@pytest.mark.parametrize("where, verdict, says", [case[1:] for case in NAN_CASES], ids=[case[0] for case in NAN_CASES])
def test_nan_outside_the_brain_of_a_masked_scan_may_be_zeroed(tmp_path, where, verdict, says):
    data = brain("<f4")
    if where is None:
        data[data == 0] = np.nan
    else:
        data[where] = np.nan
    (tmp_path / "a.nii").write_bytes(nifti(data))
    assert inspect_scan(tmp_path / "a.nii", Grid()).verdict == "refused"
    found = inspect_scan(tmp_path / "a.nii", Grid(), "zero")
    assert found.verdict == verdict and says in found.reason
    if verdict == "refused":
        with pytest.raises(InputError, match="inside the brain"):
            load_volume(tmp_path / "a.nii", nan="zero")
    else:
        np.testing.assert_array_equal(load_volume(tmp_path / "a.nii", nan="zero").data, np.nan_to_num(data))


def test_nan_of_a_scan_that_is_not_masked_is_not_zeroed(tmp_path):
    data = brain("<f4") + 5
    data[0, 0, 0] = np.nan
    (tmp_path / "a.nii").write_bytes(nifti(data))
    assert "not masked" in inspect_scan(tmp_path / "a.nii", Grid(), "zero").reason
    data[:] = np.nan
    (tmp_path / "a.nii").write_bytes(nifti(data))
    assert "all its voxels are 0" in inspect_scan(tmp_path / "a.nii", Grid(), "zero").reason


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SLA"])
def test_facts_are_of_the_scan_in_ras(tmp_path, axes):
    image = nibabel.Nifti1Image(brain(), AFFINE @ np.diag([1, 1.5, 1, 1]))
    ras, other = (nibabel.orientations.axcodes2ornt(tuple(codes)) for codes in ("RAS", axes))
    nibabel.save(image.as_reoriented(nibabel.orientations.ornt_transform(ras, other)), tmp_path / "a.nii.gz")
    facts = inspect_scan(tmp_path / "a.nii.gz", Grid()).facts
    assert facts.shape == SHAPE
    np.testing.assert_allclose(facts.spacing, (2, 3, 2), rtol=1e-6)
    np.testing.assert_allclose(facts.centre, image.affine[:3] @ [5.5, 6.5, 7.5, 1], atol=1e-4)
    assert facts.filled == pytest.approx(np.count_nonzero(brain()) * 12e-6, rel=1e-6)


USUAL = Facts((110, 110, 110), (2.0, 2.0, 2.0), (0.0, -18.0, 20.0), 1.8)
UNUSUAL = [
    ({}, None),
    ({"filled": 2.2}, None),
    ({"filled": 4.1}, "skull"),
    ({"shape": (91, 109, 91)}, "grid"),
    ({"spacing": (1.0, 2.0, 2.0)}, "field of view"),
    ({"centre": (0.0, 60.0, 20.0)}, "field of view"),
]


@pytest.mark.parametrize("change, kind", UNUSUAL)
def test_a_scan_unlike_the_cohort_is_named(change, kind):
    *others, last = unlike_the_cohort([USUAL] * 9 + [USUAL._replace(**change)])
    assert others == [[]] * 9
    assert kind in [finding.kind for finding in last] if kind else last == []
    assert unlike_the_cohort([USUAL, USUAL._replace(**change)]) == [[], []]  # too few to say


def test_a_cohort_with_skulls_or_without_a_common_grid_is_not_warned_of():
    assert not any(unlike_the_cohort([USUAL._replace(filled=litres) for litres in (4, 4, 8, 4, 4, 4)]))
    assert not any(unlike_the_cohort([USUAL._replace(shape=(110 + n // 2,) * 3) for n in range(8)]))


def refused_by_loading(path: Path) -> bool:
    try:
        load_volume(path, Grid())
    except InputError as error:
        assert str(path) in str(error)
        return True
    return False
