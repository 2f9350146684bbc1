"""Which of a subject's scans is its first: by every source of a date that a layout has, else by names, as is said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dynjax.cohort.table import load_cohort
from dynjax.cohort.visits import DATES, in_time, visit_time
from tests.cohort.test_table import HEADER, ids, write_table
from tests.cohort.worlds import scan, write

LATE, EARLY = "2008-01-01", "2006-01-01"


def plain(column: str, folder: Path) -> Path:
    rows = [["a", "x1", "CN", "1.nii", LATE], ["a", "x2", "CN", "2.nii", EARLY], ["b", "x1", "AD", "3.nii", ""]]
    return write_table(folder, rows, [*HEADER, column])


def bids(folder: Path) -> None:
    for subject, sessions in (("sub-a", ("ses-x1", "ses-x2")), ("sub-b", ("ses-x1",))):
        for session in sessions:
            scan(folder, subject, session)
    write(folder / "participants.tsv", [["participant_id", "dx"], ["sub-a", "CN"], ["sub-b", "AD"]])


def own_sessions(column: str, folder: Path) -> Path:
    bids(folder)
    write(folder / "sub-a" / "sub-a_sessions.tsv", [["session_id", column], ["ses-x1", LATE], ["ses-x2", EARLY]])
    return folder


def all_sessions(column: str, folder: Path) -> Path:
    bids(folder)
    rows = [["sub-a", "ses-x1", LATE], ["sub-a", "ses-x2", EARLY]]
    write(folder / "sessions.tsv", [["participant_id", "session_id", column], *rows])
    return folder


def own_scans(column: str, folder: Path) -> Path:
    bids(folder)
    for session, date in (("ses-x1", LATE), ("ses-x2", EARLY)):
        table = folder / "sub-a" / session / f"sub-a_{session}_scans.tsv"
        write(table, [["filename", "acq_time"], [f"anat/sub-a_{session}_T1w.nii.gz", date]])
    return folder


SOURCES = [
    *((plain, column) for column in (*DATES, "EXAMDATE")),
    *((own_sessions, column) for column in (*DATES, "EXAMDATE")),
    *((all_sessions, column) for column in DATES),
    (own_scans, "acq_time"),
]


@pytest.mark.parametrize(
    ("make", "column"), SOURCES, ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_every_source_of_a_date_is_read(tmp_path, make: Callable[[str, Path], Path], column):
    cohort = load_cohort(make(column, tmp_path))
    assert ids(cohort)[0][1] in ("x2", "ses-x2")
    assert "of several scans the earliest is used, chosen by date for 1 subject" in cohort.notes
    everyone = load_cohort(tmp_path, visit="all")
    assert [session[-2:] for _, session in ids(everyone)] == ["x2", "x1", "x1"]


@pytest.mark.parametrize("date", ["n/a", "2006-13-45", "10:00:00", LATE, ""])
def test_without_usable_dates_names_decide_and_it_is_said(tmp_path, date):
    """Also where both dates are the same, as anonymized ones may be."""
    own_sessions("acq_time", tmp_path)
    write(tmp_path / "sub-a" / "sub-a_sessions.tsv", [["session_id", "acq_time"], ["ses-x1", LATE], ["ses-x2", date]])
    cohort = load_cohort(tmp_path)
    assert ids(cohort)[0][1] == "ses-x1"
    said = "chosen by the order of names for 1 subject (such as ses-x1 before ses-x2)"
    assert any(said in note for note in cohort.notes)


@pytest.mark.parametrize(
    "names",
    [
        ("sc", "bl", "m03", "m06", "m12", "m108"),
        ("scmri", "m06", "m12"),
        ("Screening", "Baseline", "Month 6", "Month 12"),
        ("bl", "6 months", "Year 1", "18mo", "2y"),
        ("M000", "M006", "M012", "M0120"),
        ("ses-M00", "ses-M06", "ses-M120"),
        ("baseline", "week 2", "m1"),
        ("pre", "post"),
        ("test", "retest"),
        ("baseline", "rescan"),
        ("pre", "1", "2", "10", "post"),
        ("baseline", "followup"),
        ("baseline", "fu1", "fu2", "fu10"),
        ("V01", "V2", "V10"),
        ("ses-1", "ses-2", "ses-10"),
        ("2006-01-02", "2006-11-02"),
        ("ses-20060102", "ses-20070101"),
        ("d0001", "d0400"),
        ("t0", "t1", "t2"),
    ],
)
@pytest.mark.parametrize("column", ["session", "Visit"])
def test_names_of_visits_are_known(tmp_path, names, column):
    header = [*HEADER, "Visit"]
    rows = [["a", name if column == "session" else f"z{-n}", "CN", f"{n}.nii", name] for n, name in enumerate(names)]
    rows = [*reversed(rows), ["b", "x", "AD", "b.nii", "x"]]
    cohort = load_cohort(write_table(tmp_path, rows, header), visit="all")
    assert [scan.path.name for scan in cohort.scans[:-1]] == [f"{n}.nii" for n in range(len(names))]
    said = "of several scans the earliest is used, chosen by the name of the visit for 1 subject"
    assert load_cohort(tmp_path).notes == (said,)


@pytest.mark.parametrize("name", ["", "x", "bl2x", "m", "1-2", "1.5", "abc12", "m1m2", "mm6", "scan-a"])
def test_other_names_are_not_guessed(name):
    assert visit_time(name) is None


@pytest.mark.parametrize("names", [("m06", "x"), ("m06", "2"), ("bl", "m00"), ("1", "01")])
def test_names_that_do_not_compare_go_in_natural_order(tmp_path, names):
    rows = [["a", name, "CN", f"{n}.nii"] for n, name in enumerate(names)] + [["b", "x", "AD", "b.nii"]]
    cohort = load_cohort(write_table(tmp_path, rows))
    assert "by the order of names for 1 subject" in cohort.notes[0]
    assert in_time(list(load_cohort(tmp_path, visit="all").scans[:2]))[1] == "the order of names"


def test_how_many_subjects_each_source_decided_for(tmp_path):
    header = [*HEADER, "acquired"]
    dated = [
        [f"d{n}", visit, "CN", f"d{n}{visit}.nii", date]
        for n in range(3)
        for visit, date in (("x", LATE), ("y", EARLY))
    ]
    named = [["n", visit, "AD", f"n{visit}.nii", ""] for visit in ("m12", "bl")]
    unsure = [["u", visit, "AD", f"u{visit}.nii", ""] for visit in ("a", "b")]
    cohort = load_cohort(write_table(tmp_path, [*dated, *named, *unsure, ["one", "x", "CN", "o.nii", ""]], header))
    assert cohort.notes == (
        "of several scans the earliest is used, chosen by date for 3 subjects, by the name of the visit for 1 subject, "
        "by the order of names for 1 subject (such as a before b)",
    )
    assert ids(cohort) == [("d0", "y"), ("d1", "y"), ("d2", "y"), ("n", "bl"), ("one", "x"), ("u", "a")]
    assert cohort.notes[0] in cohort.describe()


def test_converters_are_counted_and_said(tmp_path):
    """The first scan is the earliest one with a wanted label; a label before or after it is another."""
    rows = [
        *(["mci-ad", "bl", "MCI", "1.nii"], ["mci-ad", "m12", "Dementia", "2.nii"], ["mci-ad", "m24", "AD", "3.nii"]),
        *(["emci-ad", "bl", "EMCI", "4.nii"], ["emci-ad", "m12", "AD", "5.nii"]),
        *(["cn-ad", "bl", "CN", "6.nii"], ["cn-ad", "m12", "AD", "7.nii"]),
        *(["cn-mci", "bl", "CN", "8.nii"], ["cn-mci", "m12", "MCI", "9.nii"]),
        *(["cn", "bl", "n/a", "10.nii"], ["cn", "m12", "CN", "11.nii"]),
        *(["mci", "bl", "MCI", "12.nii"], ["mci", "m12", "MCI", "13.nii"]),
    ]
    cohort = load_cohort(write_table(tmp_path, rows))
    assert ids(cohort) == [("cn", "m12"), ("cn-ad", "bl"), ("cn-mci", "bl"), ("emci-ad", "m12"), ("mci-ad", "m12")]
    assert cohort.notes[-2:] == (
        "2 subjects have another label in an earlier scan (EMCI, MCI); the earliest scan labelled CN or AD is used",
        "2 subjects have another label in a later scan (AD, MCI)",
    )
    assert cohort.excluded["label MCI"] == 4 and cohort.excluded["label EMCI"] == 1
    everything = load_cohort(write_table(tmp_path, [row for row in rows if row[0] != "cn-ad"]), visit="all")
    assert any(
        note.endswith("earlier scan (EMCI, MCI); every scan labelled CN or AD is used") for note in everything.notes
    )
