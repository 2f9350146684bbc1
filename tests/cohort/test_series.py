"""Which of a session's scans is used: never a part or a slab for the anatomical one, and a doubtful choice is said."""

import pytest

from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from tests.cohort.worlds import scan, write

PARTIAL = [
    "part-phase_", "part-real_", "part-imag_", "inv-1_", "inv-2_", "chunk-1_", "chunk-2_", "bp-cspine_", "acq-spine_",
    "acq-scout_", "acq-AAHeadScout32ch_", "acq-localizer_", "rec-localiser_", "acq-slab_", "acq-mp2rageinv1_",
    "acq-defacemask_", "acq-survey_",
]  # fmt: skip
ANATOMICAL = ["", "run-1_", "acq-mprage_rec-norm_run-01_", "part-mag_", "ce-none_rec-x_", "acq-MP2RAGEuni_rec-norm_"]


def dataset(folder, *names, subjects=("a", "b")):
    """Subjects that have the same scans, by their entities."""
    for subject in subjects:
        for name in names:
            scan(folder, f"sub-{subject}", name=name)
    rows = [[f"sub-{subject}", "AD" if n % 2 else "CN"] for n, subject in enumerate(subjects)]
    write(folder / "participants.tsv", [["participant_id", "dx"], *rows])
    return folder


def used(folder, **options):
    return {scan.path.name.removeprefix(f"{scan.subject}_") for scan in load_cohort(folder, **options).scans}


@pytest.mark.parametrize("anatomical", ANATOMICAL)
@pytest.mark.parametrize("partial", PARTIAL)
def test_a_part_never_wins_by_a_shorter_name(tmp_path, anatomical, partial):
    dataset(tmp_path, anatomical, partial)
    assert used(tmp_path) == {f"{anatomical}T1w.nii.gz"}
    cohort = load_cohort(tmp_path)
    assert cohort.excluded[f"no whole anatomical scan ({partial.strip('_')})"] == 2 and not cohort.notes
    assert used(tmp_path, description=f"*{partial}*") == {f"{partial}T1w.nii.gz"}, "it was asked for"


@pytest.mark.parametrize("partial", PARTIAL)
def test_a_part_alone_is_left_out_and_counted(tmp_path, partial):
    dataset(tmp_path, partial)
    with pytest.raises(InputError, match=r"excluded: 2 \(no whole anatomical scan"):
        load_cohort(tmp_path)


def test_an_uncombined_mp2rage_loses_and_ids_are_no_entities(tmp_path):
    dataset(tmp_path, "acq-mp2rage_", "acq-mprage_run-2_", subjects=("scout1", "Spine2"))
    assert used(tmp_path) == {"acq-mprage_run-2_T1w.nii.gz"}


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["run-1_", "run-2_"], "run-1 and run-2: run-1 is used"),
        (["run-2_", "run-10_", "run-3_"], "run-2 and run-3 and run-10: run-2 is used"),
        (["", "acq-hires_"], "no such entity and acq-hires: no such entity is used"),
        (["acq-a_run-1_", "acq-b_run-1_"], "acq-a and acq-b: acq-a is used"),
    ],
)
def test_a_choice_that_a_name_decides_is_said_once_by_pattern_and_count(tmp_path, names, note):
    dataset(tmp_path, *names, subjects="abcd")
    cohort = load_cohort(tmp_path)
    assert cohort.notes == (f"4 sessions have {note}; --config.cohort.description chooses otherwise",)
    assert used(tmp_path) == {f"{names[0]}T1w.nii.gz"}


def test_a_file_that_is_there_compressed_as_well_is_said(tmp_path):
    dataset(tmp_path, "")
    for subject in "ab":
        (tmp_path / f"sub-{subject}" / "anat" / f"sub-{subject}_T1w.nii").touch()
    assert load_cohort(tmp_path).notes[0].startswith("2 sessions have T1w.nii and T1w.nii.gz: T1w.nii is used")


def test_many_patterns_are_counted(tmp_path):
    for number in range(9):
        dataset(tmp_path, f"acq-{number}_", f"acq-x{number}_", subjects=[f"s{number}"])
    rows = [[f"sub-s{number}", "AD" if number % 2 else "CN"] for number in range(9)]
    write(tmp_path / "participants.tsv", [["participant_id", "dx"], *rows])
    notes = load_cohort(tmp_path).notes
    assert len(notes) == 6 and notes[-1].startswith("4 sessions have other such choices; --config")


def test_what_kinds_tell_apart_is_not_said(tmp_path):
    dataset(tmp_path, "space-MNI152NLin2009cAsym_desc-preproc_", "desc-preproc_", "")
    cohort = load_cohort(tmp_path)
    assert not cohort.notes and all("MNI" in scan.path.name for scan in cohort.scans)
