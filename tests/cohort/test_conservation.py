"""Nothing is lost: every row or file is a scan of the cohort, or counted as excluded with its reason, or refused."""

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from tests.cohort.worlds import scan, write

LABEL = st.sampled_from(["CN", "AD", "ad", "Dementia", "MCI", "n/a", ""])
DATE = st.sampled_from(["2006-01-01", "1/2/2006", "", "n/a", "NaT", "never", "10:00:00"])
NOTE = st.sampled_from(["", "x", '"', 'a"b', "'", "a b"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty files that rows may name."""
    folder = tmp_path_factory.mktemp("conserved")
    for number in range(40):
        (folder / f"{number}.nii").touch()
        (folder / "ADNI").mkdir(exist_ok=True)
        (folder / "ADNI" / f"I{number}.nii").touch()
    return folder


def count(cohort):
    return len(cohort.scans) + sum(cohort.excluded.values()) + len(cohort.refused)


def load(source, visit):
    """The cohort, or None where no row with a wanted label is left, or one subject has both."""
    try:
        return load_cohort(source, visit=visit)
    except InputError as error:
        assert any(said in str(error) for said in ("no scan is labelled", "none of its", "two labels"))
        return None


GOOD = [["good1", "bl", "CN", "38.nii", "2006-01-01", ""], ["good2", "bl", "AD", "39.nii", "2006-01-01", ""]]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), LABEL, DATE, NOTE, st.integers(-2, 1)), max_size=12),
    st.sampled_from(["first", "all"]),
)
def test_of_a_plain_table(folder, drawn, visit):
    """Subjects repeat, labels, dates and notes are of every kind, and rows have too few or too many cells."""
    rows = []
    for number, (subject, label, date, note, more) in enumerate(drawn):
        row = [f"s{subject}" if subject else "", f"v{number}", label, f"{number}.nii", date, note]
        rows.append(row[: len(row) + more] if more < 0 else row + ["more"] * more)
    write(folder / "scans.tsv", [["subject", "session", "label", "path", "acquired", "note"], *GOOD, *rows])
    cohort = load(folder / "scans.tsv", visit)
    assert cohort is None or count(cohort) == len(rows) + 2


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), LABEL, DATE, st.sampled_from(["MPR", "Localizer", "T2"])), max_size=12),
    st.sampled_from(["first", "all"]),
)
def test_of_an_adni_collection(folder, drawn, visit):
    header = ["Image Data ID", "Subject", "Group", "Acq Date", "Description"]
    rows = [[f"I{n + 30}", f"s{s}" if s else "", *more] for n, (s, *more) in enumerate(drawn)]  # some have no file
    rows += [["I1", "good1", "CN", "1/1/2006", "MPR"], ["I2", "good2", "AD", "1/1/2006", "MPR"]]
    write(folder / "c.csv", [header, *rows], ",")
    cohort = load(folder / "c.csv", visit)
    assert cohort is None or count(cohort) == len(rows)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(st.integers(1, 5), st.tuples(LABEL, st.sampled_from(["sub-{}", "{}", "sub-0{}"])), max_size=5),
    st.sets(
        st.tuples(
            st.integers(1, 5),
            st.sampled_from(["", "ses-M000", "ses-M006"]),
            st.sampled_from(["", "run-1_", "run-2_", "part-phase_", "desc-x_", "acq-scout_"]),
        ),
        max_size=12,
    ),
    st.sampled_from(["first", "all"]),
)
def test_of_a_bids_dataset(folder, labels, files, visit):
    """Each T1w file is used, excluded or refused, and each listed subject without one is excluded."""
    root = folder / "bids"
    shutil.rmtree(root, ignore_errors=True)
    for number, session, name in files:
        scan(root, f"sub-{number}", session, name)
    for number in (8, 9):
        scan(root, f"sub-{number}")
    rows = [[spelling.format(number), label] for number, (label, spelling) in labels.items()]
    write(root / "participants.tsv", [["participant_id", "dx"], *rows, ["sub-8", "CN"], ["sub-9", "AD"]])
    cohort = load(root, visit)
    unscanned = set(labels) - {number for number, *_ in files}
    assert cohort is None or count(cohort) == len(files) + 2 + len(unscanned)
