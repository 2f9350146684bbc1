"""Folds: by subject, stratified, a function of the seed, written and read back."""

from pathlib import Path

import numpy as np
import pytest

from dynjax.cohort.folds import hold_out, make_folds, read_folds, write_folds
from dynjax.cohort.scan import Cohort, Scan
from dynjax.errors import InputError, UsageError


def cohort(n=20, visits=2):
    scans = [Scan(f"s{i:02d}", f"v{v}", ("CN", "AD")[i % 2], Path("x")) for i in range(n) for v in range(visits)]
    return Cohort(tuple(scans), ("CN", "AD"), "test", False, {})


def test_by_subject_stratified_and_from_the_seed():
    folds = make_folds(cohort(), 5, seed=3)
    assert (folds[::2] == folds[1::2]).all()
    targets = np.array(cohort().targets)
    for fold in range(5):
        assert targets[folds == fold].sum() == 4 and (folds == fold).sum() == 8
    assert (folds == make_folds(cohort(), 5, seed=3)).all() and (folds != make_folds(cohort(), 5, seed=4)).any()


def test_a_fifth_of_the_training_subjects_is_held_out():
    folds = make_folds(cohort(), 5, seed=0)
    held = hold_out(cohort(), folds, 1, seed=0)
    assert not (held & (folds == 1)).any() and (held == hold_out(cohort(), folds, 1, seed=0)).all()
    subjects = {scan.subject: scan.label for scan, is_held in zip(cohort().scans, held) if is_held}
    assert sorted(subjects.values()) == ["AD", "AD", "CN", "CN"] and held.sum() == 8, "both visits of each"
    assert (held != hold_out(cohort(), folds, 1, seed=1)).any() and (held != hold_out(cohort(), folds, 2, seed=0)).any()
    with pytest.raises(UsageError, match="fold 0 needs 2 training subjects of CN to hold one out, has 1"):
        hold_out(cohort(4, 1), np.array([0, 0, 1, 1]), 0, seed=0)


def test_written_and_read_back(tmp_path):
    path, folds = tmp_path / "folds.csv", make_folds(cohort(), 5, seed=0)
    write_folds(path, cohort(), folds)
    assert path.read_text().splitlines()[0] == "subject,session,fold"
    assert (read_folds(path, cohort(), 5) == folds).all()
    with pytest.raises(InputError, match="subject s20, session v0") as error:
        read_folds(path, cohort(22), 5)
    assert "subject s21, session v1" in str(error.value)
    with pytest.raises(InputError, match="no longer in the scan table"):
        read_folds(path, cohort(18), 5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("s00,v0,", "s00,v0,7", "fold 7\\d does not exist, for train.folds=5"),
        ("s00,v0,", "s00,v0,-1", "fold -1\\d does not exist"),
        ("s00,v0,", "s00,v1,", "damaged"),
        ("subject,", "who,", "damaged"),
        ("s00,v0,", "s00,v0,x", "damaged"),
        ("", None, "damaged"),
    ],
)
def test_edited_folds_are_refused(tmp_path, old, new, said):
    """Else a subject would be trained on and tested, or never be tested at all."""
    path = tmp_path / "folds.csv"
    write_folds(path, cohort(), make_folds(cohort(), 5, seed=0))
    path.write_text("" if new is None else path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        read_folds(path, cohort(), 5)
    with pytest.raises(InputError, match="no such file"):
        read_folds(tmp_path / "gone.csv", cohort(), 5)


def test_a_subject_in_two_folds_and_a_fold_without_scans_are_refused(tmp_path):
    folds = make_folds(cohort(), 5, seed=0)
    folds[folds == 4] = 3
    folds[0] = (folds[0] + 1) % 3
    write_folds(tmp_path / "folds.csv", cohort(), folds)
    with pytest.raises(InputError, match="fold 4 has no scan\n  subject s00 is in two folds: 1, 2"):
        read_folds(tmp_path / "folds.csv", cohort(), 5)


def test_too_few_subjects():
    with pytest.raises(UsageError, match=r"train\.folds=11 needs 11 subjects of each label; one label has 10"):
        make_folds(cohort(), 11, seed=0)
