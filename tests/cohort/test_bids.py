"""BIDS datasets and CAPS folders: what is found, what is chosen, what labels it, and what every refusal says."""

import pytest

from dynjax.cohort.bids import LABELS
from dynjax.cohort.folds import make_folds
from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError, UsageError
from tests.datasets import as_bids, as_caps, as_csv, write_tsv

PARTICIPANTS = [["sub-1", "CN", "61"], ["sub-2", "AD", "n/a"], ["sub-10", "AD", "71"]]


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def dataset(folder, rows=PARTICIPANTS, header=("participant_id", "diagnosis", "age")):
    """Three subjects, without sessions."""
    write_tsv(folder / "participants.tsv", list(header), rows)
    touch(folder, *(f"sub-{number}/anat/sub-{number}_T1w.nii.gz" for number in (1, 2, 10)))
    return folder


def names(cohort):
    return [scan.path.name for scan in cohort.scans]


def left_out(cohort):
    return {reason: count for reason, count in cohort.excluded.items() if count}


@pytest.mark.parametrize("dress", [as_csv, as_bids, as_caps])
def test_the_same_scans_have_the_same_folds_in_any_dress(tmp_path, dress):
    adni = load_cohort(phantom_cohort(12))
    other = load_cohort(dress(load_cohort(phantom_cohort(12), visit="all").scans, tmp_path))
    assert [scan.path.resolve() for scan in other.scans] == [scan.path for scan in adni.scans]
    assert other.targets == adni.targets and other.synthetic
    assert list(make_folds(other, 5, 0)) == list(make_folds(adni, 5, 0))
    for column in ("age", "sex"):
        assert [scan.column(column) for scan in other.scans] == [scan.column(column) for scan in adni.scans]
    assert other.excluded["later visit of a subject"] == 2


def test_clinicas_names_and_what_it_was_taken_for(tmp_path):
    as_bids(load_cohort(phantom_cohort(12), visit="all").scans, tmp_path)
    cohort = load_cohort(tmp_path, visit="all")
    first = cohort.scans[0]
    assert (first.subject, first.session, first.site) == ("sub-ADNI001S0001", "ses-M000", "001")
    assert first.acquired.year == 2006 and len(cohort.scans) == 14
    assert f"{tmp_path} (a BIDS dataset, labels from diagnosis)" in cohort.describe()


def test_without_sessions_in_natural_order_and_missing_values(tmp_path):
    cohort = load_cohort(dataset(tmp_path))
    assert cohort == load_cohort(tmp_path / "participants.tsv") and cohort.source == str(tmp_path)
    scans = cohort.scans
    assert [(s.subject, s.session, s.label) for s in scans] == [
        ("sub-1", "n/a", "CN"),
        ("sub-2", "n/a", "AD"),
        ("sub-10", "n/a", "AD"),
    ]
    assert [s.column("age") for s in scans] == ["61", "", "71"]


def test_whoever_is_left_out_is_counted(tmp_path):
    dataset(tmp_path, [*PARTICIPANTS[:2], ["sub-3", "CN", "1"], ["sub-4", "n/a", "1"], ["sub-5", "MCI", "1"]])
    touch(tmp_path, "sub-4/anat/sub-4_T1w.nii", "sub-5/anat/sub-5_T1w.nii", "sub-5/anat/._sub-5_T1w.nii")
    cohort = load_cohort(tmp_path)
    assert names(cohort) == ["sub-1_T1w.nii.gz", "sub-2_T1w.nii.gz"]
    assert left_out(cohort) == {
        "subject that participants.tsv does not list": 1,
        "subject of participants.tsv without a T1w scan": 1,
        "no diagnosis is known": 1,
        "label MCI": 1,
    }


def test_one_scan_a_session_is_chosen_and_cohort_description_chooses_another(tmp_path):
    dataset(tmp_path)
    anat = "sub-1/anat/sub-1_"
    touch(tmp_path, *(anat + name for name in ("run-10_T1w.nii.gz", "run-2_T1w.nii.gz", "desc-defaced_T1w.nii.gz")))
    cohort = load_cohort(tmp_path)
    assert names(cohort)[0] == "sub-1_T1w.nii.gz"
    assert left_out(cohort) == {
        "derived scan (desc-) that is not in MNI space": 1,
        "another T1w scan of the same session": 2,
    }
    (tmp_path / "sub-1" / "anat" / "sub-1_T1w.nii.gz").unlink()
    assert names(load_cohort(tmp_path))[0] == "sub-1_run-2_T1w.nii.gz"
    with pytest.raises(InputError, match=r"no scan is labelled AD(.|\n)*excluded: 4 \(name other than"):
        load_cohort(tmp_path, description="*DESC-defaced*")
    touch(tmp_path, "sub-2/anat/sub-2_desc-defaced_T1w.nii.gz")
    chosen = load_cohort(tmp_path, description="*DESC-defaced*")
    assert names(chosen) == ["sub-1_desc-defaced_T1w.nii.gz", "sub-2_desc-defaced_T1w.nii.gz"]


def test_derivatives_take_the_scan_in_mni_space_and_the_tables_of_their_origin(tmp_path):
    dataset(tmp_path)
    derived = tmp_path / "derivatives" / "smriprep"
    for number in (1, 2, 10):
        name = f"sub-{number}/anat/sub-{number}"
        space = "_space-MNI152NLin2009cAsym_res-1_desc-preproc"
        touch(derived, f"{name}_desc-preproc_T1w.nii.gz", f"{name}{space}_T1w.nii.gz")
    cohort = load_cohort(derived)
    assert all("_space-MNI" in name for name in names(cohort)) and len(cohort.scans) == 3
    assert left_out(cohort) == {"derived scan (desc-) that is not in MNI space": 3}


def test_caps_takes_the_whole_scan_and_older_names_and_says_which_labels_it_needs(tmp_path):
    for number in (1, 2):
        name = f"subjects/sub-{number}/ses-M00/t1_linear/sub-{number}_ses-M00_T1w_space-MNI152NLin2009cSym"
        touch(tmp_path, f"{name}_desc-Crop_res-1x1x1_T1w.nii.gz", f"{name}_res-1x1x1_T1w.nii.gz")
    with pytest.raises(InputError, match=r"CAPS folder without labels: add a participants\.tsv \(participant_id, diag"):
        load_cohort(tmp_path)
    rows = [["sub-1", "ses-M00", "CN"], ["sub-2", "ses-M00", "AD"]]
    write_tsv(tmp_path / "sessions.tsv", ["participant_id", "session_id", "diagnosis"], rows)
    assert all("_desc-Crop" not in name for name in names(load_cohort(tmp_path)))
    assert all("_desc-Crop" in name for name in names(load_cohort(tmp_path, description="*desc-crop*")))


@pytest.mark.parametrize("column", [*LABELS, "DX_bl", "Group"])
def test_label_columns_that_are_known(tmp_path, column):
    cohort = load_cohort(dataset(tmp_path, header=("participant_id", column, "age")))
    assert cohort.targets == [0, 1, 1] and cohort.kind == f"a BIDS dataset, labels from {column}"


def test_a_column_that_says_nothing_is_passed_over_and_one_can_be_named(tmp_path):
    rows = [["sub-1", "n/a", "CN", "x"], ["sub-2", "n/a", "AD", "y"], ["sub-10", "n/a", "AD", "y"]]
    dataset(tmp_path, rows, ("participant_id", "diagnosis", "group", "arm"))
    assert load_cohort(tmp_path).kind.endswith("labels from group")
    assert load_cohort(tmp_path, ("x", "y"), label_column="arm").targets == [0, 1, 1]
    with pytest.raises(UsageError, match=r"cohort\.label_column='arms': .* its columns: group, arm"):
        load_cohort(tmp_path, label_column="arms")
    dataset(tmp_path, rows, ("participant_id", "a", "b", "arm"))
    with pytest.raises(InputError, match=r"set --config\.cohort\.label_column to one of its columns: b, arm"):
        load_cohort(tmp_path)


def test_the_session_says_more_than_the_subject(tmp_path):
    write_tsv(tmp_path / "participants.tsv", ["participant_id", "diagnosis_sc", "age_bl", "site"], [
        ["sub-1", "CN", "60", "7"],
        ["sub-2", "AD", "70", "8"],
    ])  # fmt: skip
    for number, label in ((1, "CN"), (2, "Dementia")):
        rows = [["ses-M000", "n/a", "n/a"], ["ses-M006", label, "71"]]
        write_tsv(tmp_path / f"sub-{number}/sub-{number}_sessions.tsv", ["session_id", "diagnosis", "age"], rows)
        for session in ("ses-M000", "ses-M006"):
            touch(tmp_path, f"sub-{number}/{session}/anat/sub-{number}_{session}_T1w.nii.gz")
    cohort = load_cohort(tmp_path)
    assert [(s.session, s.label, s.age, s.site) for s in cohort.scans] == [
        ("ses-M006", "CN", "71", "7"),
        ("ses-M006", "AD", "71", "8"),
    ]
    assert cohort.kind == "a BIDS dataset, labels from diagnosis, Dementia read as AD"
    assert left_out(cohort) == {"no diagnosis is known": 2}
    assert [s.age for s in load_cohort(tmp_path, label_column="diagnosis_sc").scans] == ["60", "70"]


@pytest.mark.parametrize(
    ("table", "text", "said"),
    [
        ("participants.tsv", "participant\tdiagnosis\nsub-1\tCN\n", "needs the columns:\n  participant_id"),
        ("participants.tsv", "participant_id\tdx\nsub-1\tCN\nsub-1\tAD\n", "sub-1 is listed 2 times"),
        ("participants.tsv", "participant_id\tdx\n1\tCN\nsub-01\tAD\n", "'1' and 'sub-01' may stand for sub-1"),
        ("participants.tsv", "participant_id\tdx\nP7\tCN\n", "has 'P7', which no folder is called, but one 'sub-1'"),
        ("sub-1/sub-1_sessions.tsv", "visit\tdx\nM0\tCN\n", "needs the columns:\n  session_id"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, table, text, said):
    dataset(tmp_path)
    (tmp_path / table).write_text(text)
    with pytest.raises(InputError) as error:
        load_cohort(tmp_path)
    assert said in str(error.value) and table in str(error.value)


def test_a_scan_under_another_subjects_name_cannot_be_used(tmp_path):
    dataset(tmp_path)
    touch(tmp_path, "sub-1/anat/sub-2_T1w.nii.gz")
    with pytest.raises(InputError, match=r"sub-2_T1w\.nii\.gz: its name does not begin with sub-1_"):
        load_cohort(tmp_path)


def test_a_date_that_cannot_be_read_is_told_and_refuses_nothing(tmp_path):
    cohort = load_cohort(dataset(tmp_path, header=("participant_id", "diagnosis", "acq_time")))
    assert len(cohort.scans) == 3 and not cohort.refused
    assert "2 sessions have a date that cannot be read" in cohort.notes, "n/a is none"


def test_a_folder_that_is_none_of_these_and_one_without_scans(tmp_path):
    with pytest.raises(InputError, match=r"found: none; nor is it a BIDS dataset \(sub-\*/\) or a CAPS folder"):
        load_cohort(tmp_path)
    touch(tmp_path, "sub-1/func/sub-1_bold.nii.gz", "participants.tsv")
    with pytest.raises(InputError, match=r"a BIDS dataset without T1w scans: no file is sub-\*/anat/\*_T1w"):
        load_cohort(tmp_path)


def test_a_csv_beside_folders_of_subjects_is_the_table_unless_the_folder_says_bids(tmp_path):
    dataset(tmp_path)
    rows = [["a", "1", "CN", "sub-1/anat/sub-1_T1w.nii.gz"], ["b", "1", "AD", "sub-2/anat/sub-2_T1w.nii.gz"]]
    write_tsv(tmp_path / "scans.csv", ["subject", "session", "label", "path"], rows)
    assert load_cohort(tmp_path).kind.startswith("a BIDS dataset")
    (tmp_path / "participants.tsv").unlink()
    assert load_cohort(tmp_path).kind == "a plain CSV"
