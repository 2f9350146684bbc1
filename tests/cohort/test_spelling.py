"""Labels, sexes and ids as people write them: read where one thing can be meant, and said; else both are shown."""

import pytest

from dynjax.cohort.spelling import match_ids
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from tests.cohort.test_table import HEADER, write_table
from tests.cohort.worlds import WORLDS, rows_of, scan, write


@pytest.mark.parametrize("layout", ["plain", "collection", "participants", "sessions", "own sessions"])
def test_labels_get_the_configs_spelling_in_every_layout(tmp_path, layout):
    world = WORLDS[layout](tmp_path)
    whole, rows = load_cohort(world.source), rows_of(world)
    changed = [[{"AD": "Dementia", "CN": "cn"}.get(cell, cell) for cell in row] for row in rows[:3]] + rows[3:]
    write(world.table, changed, world.separator)
    cohort = load_cohort(world.source)
    assert cohort.scans == whole.scans and "Dementia read as AD" in cohort.describe()


def test_a_label_that_may_be_either_is_left_out_and_shown(tmp_path):
    rows = [["a", "1", "ad", "a.nii"], ["b", "1", "AD", "b.nii"], ["c", "1", "Ad", "c.nii"]]
    cohort = load_cohort(write_table(tmp_path, rows), ("ad", "AD"))
    assert cohort.targets == [0, 1] and cohort.excluded["label Ad"] == 1


@pytest.mark.parametrize(
    ("written", "read", "note"),
    [
        (["M", "m", "Male", "", "n/a"], ["M", "M", "M", "", "n/a"], "Male as M, m as M"),
        (["F", "f", "FEMALE", "m"], ["F", "F", "F", "M"], "FEMALE as F, f as F, m as M"),
        (["1", "2", "n/a", "1"], ["M", "F", "n/a", "M"], "1 as M, 2 as F"),
        (["1", "2", "0", ""], ["1", "2", "0", ""], ""),
        (["1", "2", "M", "F"], ["1", "2", "M", "F"], ""),
        (["M", "F", "X", "other"], ["M", "F", "X", "other"], ""),
    ],
)
def test_sexes_are_spelt_m_and_f(tmp_path, written, read, note):
    rows = [[f"s{n}", "1", "CN" if n % 2 else "AD", f"{n}.nii", sex] for n, sex in enumerate(written)]
    cohort = load_cohort(write_table(tmp_path, rows, [*HEADER, "sex"]))
    assert [scan.sex for scan in cohort.scans] == read
    assert cohort.notes == ((f"sexes read: {note}",) if note else ())


def test_ages_of_a_semicolon_table_may_have_a_decimal_comma(tmp_path):
    ages = ["70,5", "71", "n/a", "7,1,2"]
    for number in range(4):
        (tmp_path / f"{number}.nii").touch()
    rows = [[f"s{n}", "1", "AD" if n % 2 else "CN", f"{n}.nii", age] for n, age in enumerate(ages)]
    write(tmp_path / "scans.csv", [[*HEADER, "age"], *rows], ";")
    cohort = load_cohort(tmp_path)
    assert [scan.age for scan in cohort.scans] == ["70.5", "71", "n/a", "7,1,2"]
    assert cohort.notes == ("ages read with a decimal comma: 1, such as 70,5",)


@pytest.mark.parametrize(
    ("written", "known", "expected"),
    [
        (["sub-1"], ["sub-1", "sub-01"], {"sub-1": "sub-1"}),
        (["1", "2"], ["sub-01", "sub-002"], {"1": "sub-01", "2": "sub-002"}),
        (["SUB-a1"], ["sub-A01"], {"SUB-a1": "sub-A01"}),
        (["M00", "ses-M6"], ["ses-M000", "ses-M006", "ses-M012"], {"M00": "ses-M000", "ses-M6": "ses-M006"}),
        (["sub-01", "1"], ["sub-01"], {"sub-01": "sub-01"}),
        (["A1B02"], ["sub-A01B2"], {"A1B02": "sub-A01B2"}),
        (["10"], ["sub-1", "sub-100"], {}),
        (["0"], ["sub-000", "sub-1"], {"0": "sub-000"}),
    ],
)
def test_ids_stand_for_the_one_folder_that_differs_in_prefix_zeros_or_case(written, known, expected):
    assert match_ids(written, known) == (expected, [])


def test_ids_that_may_stand_for_several_are_shown():
    assert match_ids(["1"], ["sub-01", "sub-001"]) == ({}, ["'1' may stand for sub-01 or sub-001"])
    assert match_ids(["1", "001"], ["sub-01"]) == ({}, ["'1' and '001' may stand for sub-01"])


@pytest.mark.parametrize(
    ("layout", "column"), [("participants", 0), ("sessions", 0), ("sessions", 1), ("own sessions", 0)]
)
@pytest.mark.parametrize("change", [("sub-", ""), ("ses-", ""), ("-0", "-"), ("M00", "M0"), ("M00", "m")])
def test_ids_of_every_table_are_matched_and_it_is_said(tmp_path, layout, column, change):
    world = WORLDS[layout](tmp_path)
    whole, (header, *rows) = load_cohort(world.source), rows_of(world)
    changed = [[*row[:column], row[column].replace(*change), *row[column + 1 :]] for row in rows]
    write(world.table, [header, *changed])
    cohort = load_cohort(world.source)
    assert cohort.scans == whole.scans
    assert (len(cohort.notes) > len(whole.notes)) == (changed != rows)


def test_ids_that_are_not_clear_refuse_the_table(tmp_path):
    world = WORLDS["participants"](tmp_path)
    scan(tmp_path, "sub-002")
    rows = rows_of(world)
    rows[2][0] = "2"
    write(world.table, rows)
    with pytest.raises(
        InputError, match=r"participants\.tsv: .*several folders.*\n  '2' may stand for sub-002 or sub-02"
    ):
        load_cohort(tmp_path)
