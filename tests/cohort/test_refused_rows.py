"""One row or file that is wrong is refused alone, in every layout; what is wrong with all refuses the table."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from tests.cohort.worlds import WORLDS, participants, plain, rows_of, unreadable, write
from tests.cohort.worlds import scan as make_scan

ANNEX = "../../.git/annex/objects/q/8/MD5E-s1--a.nii.gz/MD5E-s1--a.nii.gz"


def remove(path: Path) -> None:
    path.unlink()


def link_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere.nii")


def link_to_annex(path: Path) -> None:
    path.unlink()
    path.symlink_to(ANNEX)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


class Harm(NamedTuple):
    """What is done to a file, the kind of the finding and what is said; and in an ADNI download, which lists files."""

    do: Callable[[Path], None]
    kind: str
    said: str
    adni: str = ""


HARMS = [
    Harm(remove, "missing", "no such file; correct its path", "no such file in the download; download the image"),
    Harm(link_nowhere, "missing", "no such file: it is a link to elsewhere.nii, which is not there; correct its path"),
    Harm(
        link_to_annex,
        "not fetched",
        "its content was not fetched: it is a link of git-annex; fetch it with `datalad get`",
    ),
    Harm(make_folder, "folder", "a folder, not a regular file; name the scan in it", "no such file in the download"),
    Harm(make_pipe, "unreadable", "not a regular file; make it"),
]


LISTED = (
    "plain",
    "collection",
)  # layouts in which a table lists files; in the others a session without one has no scan


@pytest.mark.parametrize(
    ("layout", "harm"),
    [(layout, harm) for layout in WORLDS for harm in HARMS if layout in LISTED or harm.do is not remove],
    ids=lambda value: value if isinstance(value, str) else value.do.__name__,
)
def test_a_file_that_cannot_be_opened_is_refused_alone(tmp_path, layout, harm):
    world = WORLDS[layout](tmp_path)
    whole = load_cohort(world.source)
    path = whole.scans[1].path
    harm.do(path)
    cohort = load_cohort(world.source)
    assert cohort.scans == (whole.scans[0], *whole.scans[2:])
    (refused,) = cohort.refused
    assert refused.ids == (whole.scans[1].subject, whole.scans[1].session)
    if layout == "collection" and harm.adni:
        assert harm.adni in str(refused)
    else:
        assert refused.finding.kind == harm.kind and harm.said in str(refused) and refused.where == str(path)
    assert "refused: 1 (" in cohort.describe()


ROWS = {  # a layout, the second row as it should not be, what is said of it, and the ids of the row
    ("plain", ("s2", "bl", "", "s2.nii", "x")): ("label is empty", ("s2", "bl")),
    ("plain", ("", "bl", "AD", "s2.nii", "x")): ("subject is empty", ("(line 3)", "bl")),
    ("plain", ("n/a", "bl", "AD", "s2.nii", "x")): ("subject is n/a", ("(line 3)", "bl")),
    ("plain", ("s2", "", "AD", "", "x")): ("session is empty; path is empty", ("s2", "(line 3)")),
    ("plain", ("s2", "bl", "AD")): ("3 cells, the header has 5: path is empty", ("s2", "bl")),
    ("plain", ("s2", "bl", "AD", "s2.nii", "x", "y")): ("6 cells, the header has 5: 'y' is in no column", ("s2", "bl")),
    ("plain", ("s2", "bl", "AD", ".", "x")): ("a folder, not a regular file", ("s2", "bl")),
    ("plain", ("s2", "bl", "AD", "a\0b", "x")): ("embedded null byte", ("s2", "bl")),
    ("plain", ("s2", "bl", "AD", "a" * 300, "x")): ("File name too long", ("s2", "bl")),
    ("plain", ("s2", "bl", "AD", "s1.nii/x", "x")): ("Not a directory", ("s2", "bl")),
    ("plain", ("s2", "bl", "AD", "~nobody-here/x", "x")): ("no such file", ("s2", "bl")),
    ("collection", ("I2", "002_S_0002", "", "1/2/2006", "MPR", "x")): ("Group is empty", ("002_S_0002", "2006-01-02")),
    ("collection", ("I2", "", "AD", "1/2/2006", "MPR", "x")): ("Subject is empty", ("(line 3)", "2006-01-02")),
    ("collection", ("I2", "002_S_0002", "AD", "", "MPR", "x")): ("Acq Date is empty", ("002_S_0002", "(line 3)")),
    ("collection", ("I2", "002_S_0002", "AD", "13/13/06", "MPR", "x")): ("'13/13/06'", ("002_S_0002", "(line 3)")),
    ("collection", ("2x", "002_S_0002", "AD", "1/2/2006", "MPR", "x")): ("'2x'", ("002_S_0002", "(line 3)")),
    ("collection", ("I9", "002_S_0002", "AD", "1/2/2006", "MPR", "x")): ("no such file", ("002_S_0002", "2006-01-02")),
    ("collection", ("I2", "002_S_0002", "AD", "1/2/2006", "MPR", "x", "y")): ("7 cells", ("002_S_0002", "2006-01-02")),
    ("participants", ("sub-02", "AD", "x", "y")): ("4 cells, the header has 3: 'y' is in no column", ("sub-02", "n/a")),
    ("sessions", ("sub-02", "ses-M000", "AD", "x", "y")): ("5 cells", ("sub-02", "ses-M000")),
}


@pytest.mark.parametrize(
    ("layout", "row"), ROWS, ids=lambda value: value if isinstance(value, str) else "|".join(value)[:40]
)
def test_a_row_that_cannot_be_used_is_refused_alone(tmp_path, layout, row):
    world = WORLDS[layout](tmp_path)
    whole, rows = load_cohort(world.source), rows_of(world)
    rows[2] = list(row)
    write(world.table, rows, world.separator)
    cohort = load_cohort(world.source)
    assert cohort.scans == (whole.scans[0], *whole.scans[2:])
    (refused,) = cohort.refused
    said, ids = ROWS[layout, row]
    assert said in str(refused) and refused.ids == ids
    if refused.finding.kind == "bad row":
        assert refused.where == f"{world.table}, line 3"


def test_a_participant_without_an_id_is_refused_and_its_folder_is_not_listed(tmp_path):
    world = participants(tmp_path)
    rows = rows_of(world)
    rows[2][0] = "n/a"
    write(world.table, rows)
    cohort = load_cohort(tmp_path)
    assert len(cohort.scans) == 3 and "participant_id is empty" in str(cohort.refused[0])
    assert cohort.excluded["subject that participants.tsv does not list"] == 1


def test_sessions_without_an_id_are_refused_by_subject_and_line(tmp_path):
    world = WORLDS["own sessions"](tmp_path)
    for subject in ("sub-01", "sub-02"):
        own = tmp_path / subject / f"{subject}_sessions.tsv"
        own.write_text(own.read_text() + "n/a\tMCI\tx\n")
    cohort = load_cohort(world.source)
    assert len(cohort.scans) == 4
    assert {row.ids for row in cohort.refused} == {("sub-01", "(line 4)"), ("sub-02", "(line 4)")}


@pytest.mark.parametrize("label", ["MCI", "n/a"])
def test_nothing_is_refused_that_nobody_wants(tmp_path, label):
    """A scan with another label, or a later one, may have any fault."""
    world = plain(tmp_path)
    rows = rows_of(world)
    rows[2] = ["s2", "bl", label, "", "x"]
    rows.append(["s1", "m12", "CN", "nowhere.nii", "x"])
    rows.append(["s1", "m24", "CN", "", "x"])
    write(world.table, rows, ",")
    cohort = load_cohort(world.source)
    assert [scan.subject for scan in cohort.scans] == ["s1", "s3", "s4"] and not cohort.refused
    assert cohort.excluded == {f"label {label}": 1, "later visit of a subject": 2}


def test_if_none_is_left_all_are_told(tmp_path):
    world = plain(tmp_path)
    for path in tmp_path.glob("*.nii"):
        path.unlink()
    with pytest.raises(
        InputError, match=r"none of its 4 scans can be used:\n(.*s\d\.nii: refused: no such file.*\n?){4}$"
    ):
        load_cohort(world.source)


@pytest.mark.parametrize("lost", ["sub-02", "sub-02/ses-M000", "sub-02/ses-M000/anat"])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_folder_that_cannot_be_read_is_not_counted_as_absent(tmp_path, monkeypatch, lost, labelled):
    """Whether its label is in participants.tsv or only in its own sessions.tsv, which cannot be read either."""
    world = WORLDS["own sessions"](tmp_path)
    if labelled:
        rows = [[str(number), label] for number, label in enumerate(("CN", "AD", "CN", "AD"), 1)]
        write(tmp_path / "participants.tsv", [["participant_id", "diagnosis"], *rows])
    (tmp_path / "sub-02" / "ses-M006" / "anat" / "sub-02_ses-M006_T1w.nii.gz").unlink()
    unreadable(monkeypatch, tmp_path / lost)
    cohort = load_cohort(world.source)
    assert [scan.subject for scan in cohort.scans] == ["sub-01", "sub-03", "sub-04"]
    (refused,) = cohort.refused
    assert refused.subject == "sub-02" and refused.where == str(tmp_path / lost)
    assert "this folder cannot be read (Permission denied)" in str(refused)


def test_a_table_within_an_unreadable_folder_of_another_dataset_refuses_all(tmp_path, monkeypatch):
    world = WORLDS["own sessions"](tmp_path)
    derived = tmp_path / "derivatives" / "x"
    for number in range(1, 5):
        make_scan(derived, f"sub-0{number}", "ses-M000")
    assert len(load_cohort(derived).scans) == 4
    unreadable(monkeypatch, world.source / "sub-02")
    with pytest.raises(
        InputError, match=r"folders that may hold sessions\.tsv cannot be read:\n.*sub-02: Permission denied"
    ):
        load_cohort(derived)


def test_a_whole_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    plain(tmp_path)
    unreadable(monkeypatch, tmp_path)
    with pytest.raises(InputError, match="this folder cannot be read"):
        load_cohort(tmp_path)


@pytest.mark.parametrize("spelling", ["./s1.nii", "sub/../s1.nii", "{folder}/s1.nii", "link.nii", "linked/s1.nii"])
def test_a_file_listed_twice_is_found_under_any_spelling(tmp_path, spelling):
    world = plain(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.nii").symlink_to("s1.nii")
    (tmp_path / "linked").symlink_to(".")
    rows = rows_of(world)
    rows[2][3] = spelling.format(folder=tmp_path)
    write(world.table, rows, ",")
    with pytest.raises(InputError, match=r"s1\.nii: listed for 2 scans"):
        load_cohort(world.source)


def test_a_file_listed_twice_is_found_in_bids_as_well(tmp_path):
    participants(tmp_path)
    path = tmp_path / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    path.unlink()
    path.symlink_to("../../sub-01/anat/sub-01_T1w.nii.gz")
    with pytest.raises(InputError, match=r"sub-01_T1w\.nii\.gz: listed for 2 scans"):
        load_cohort(tmp_path)
