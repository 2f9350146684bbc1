"""Scan tables: what is kept, what is left out and counted, and what every refusal says."""

import csv

import pytest

from dynjax.cohort.scan import is_date, natural_key, parse_date
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError, UsageError

HEADER = ["subject", "session", "label", "path"]


def write_table(folder, rows, header=HEADER, name="scans.csv"):
    for row in rows:
        path = dict(zip(header, row)).get("path", "")
        if path and "missing" not in path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
    with open(folder / name, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return folder / name


def ids(cohort):
    return [(scan.subject, scan.session) for scan in cohort.scans]


def test_plain_table_keeps_first_visit_and_counts_the_rest(tmp_path):
    header = [*HEADER, "acquired", "age", "site"]
    rows = [
        ["s10", "b", "AD", "s10b.nii", "1/2/2007", "70", "x"],
        ["s2", "late", "CN", "s2l.nii", "2008-01-01", "71", "x"],
        ["s2", "early", "CN", "s2e.nii", "12/31/2006", "71", "x"],
        ["s3", "m0", "MCI", "s3.nii", "", "", ""],
    ]
    cohort = load_cohort(write_table(tmp_path, rows, header))
    assert ids(cohort) == [("s2", "early"), ("s10", "b")]
    assert cohort.targets == [0, 1]
    assert cohort.excluded == {"label MCI": 1, "later visit of a subject": 1}
    assert cohort.scans[0].age == "71" and not cohort.synthetic
    assert "excluded: 1 (label MCI)" in cohort.describe()


def test_columns_of_other_names_are_kept_as_they_stand(tmp_path):
    header = [*HEADER, "sex", "scanner", "session_id"]
    rows = [["a", "1", "CN", "a.nii", "F", "Trio", "x"], ["b", "1", "AD", "b.nii", "n/a", "", "y"]]
    first, second = load_cohort(write_table(tmp_path, rows, header)).scans
    assert first.others == (("scanner", "Trio"), ("session_id", "x"))
    assert [first.column(name) for name in ("sex", "scanner", "age", "colour")] == ["F", "Trio", "", ""]
    assert (second.column("sex"), second.column("scanner")) == ("", "")
    assert len({first, second}) == 2, "scans can be keys"


def test_a_folder_stands_for_the_one_table_in_it(tmp_path):
    """Hidden files are none: macOS leaves ._NAME.csv on shared disks, a kill .partial-NAME.csv."""
    write_table(tmp_path, [["a", "1", "CN", "a.nii"], ["b", "1", "AD", "b.nii"]])
    (tmp_path / "._scans.csv").write_bytes(b"\0\5\x16\7")
    assert len(load_cohort(tmp_path).scans) == 2
    (tmp_path / "other.csv").touch()
    with pytest.raises(InputError, match=r"one \.csv as its scan table; found: other\.csv, scans\.csv"):
        load_cohort(tmp_path)


def test_without_dates_sessions_go_in_natural_order(tmp_path):
    rows = [["a", "m12", "CN", "1.nii"], ["a", "m6", "CN", "2.nii"], ["b", "m0", "AD", "3.nii"]]
    table = write_table(tmp_path, rows)
    assert ids(load_cohort(table)) == [("a", "m6"), ("b", "m0")]
    assert ids(load_cohort(table, visit="all")) == [("a", "m6"), ("a", "m12"), ("b", "m0")]


def test_a_date_missing_once_leaves_that_subject_to_its_sessions(tmp_path):
    header = [*HEADER, "acquired"]
    rows = [["a", "m2", "CN", "1.nii", ""], ["a", "m3", "CN", "2.nii", "2001-01-01"], ["b", "m0", "AD", "3.nii", ""]]
    assert ids(load_cohort(write_table(tmp_path, rows, header)))[0] == ("a", "m2")


def test_every_fault_of_the_whole_table_is_listed_at_once(tmp_path):
    rows = [
        ["a", "1", "CN", "missing1.nii"],
        ["c", "1", "CN", "c1.nii"],
        ["c", "2", "AD", "c2.nii"],
        ["d", "1", "AD", "c2.nii"],
    ]
    with pytest.raises(InputError) as error:
        load_cohort(write_table(tmp_path, rows), visit="all")
    for part in ("scans.csv", "c has two labels: AD, CN", "c2.nii: listed for 2 scans"):
        assert part in str(error.value)
    assert error.value.exit_code == 3 and "missing1" not in str(error.value), "which is refused alone"


def test_a_missing_file_of_a_scan_that_is_left_out_does_no_harm(tmp_path):
    rows = [["a", "1", "CN", "a.nii"], ["a", "2", "CN", "missing.nii"], ["b", "1", "AD", "b.nii"]]
    rows += [["c", "1", "MCI", "missing2.nii"]]
    assert len(load_cohort(write_table(tmp_path, rows)).scans) == 2


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ([*HEADER, "Age", "aquired"], [], ["unknown column: Age; did you mean age?", "did you mean acquired?"]),
        (["subject", "path"], [], ["missing column: session", "missing column: label"]),
        ([*HEADER, "path"], [], ["repeated column: path"]),
        (HEADER, [["a", "1", "CN", "a.nii"]] * 2, ["subject a, session 1 is listed 2 times"]),
        (HEADER, [["a", "1", "CN", "a.nii"]], ["no scan is labelled AD"]),
    ],
)
def test_refusals(tmp_path, header, rows, said):
    with pytest.raises(InputError) as error:
        load_cohort(write_table(tmp_path, rows, header))
    assert all(part in str(error.value) for part in said)


def test_a_path_that_is_no_table(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_cohort(tmp_path / "nope.csv")
    with pytest.raises(InputError, match=r"one \.csv .* found: none"):
        load_cohort(tmp_path)
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        load_cohort(tmp_path / "x.csv")


def test_a_folder_and_a_byte_order_mark(tmp_path):
    table = write_table(tmp_path, [["a", "1", "CN", "a.nii"], ["b", "1", "AD", "b.nii"]])
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(load_cohort(tmp_path).scans) == 2


def test_description_is_for_adni_downloads_only(tmp_path):
    table = write_table(tmp_path, [["a", "1", "CN", "a.nii"], ["b", "1", "AD", "b.nii"]])
    with pytest.raises(UsageError, match="plain CSV"):
        load_cohort(table, description="MT1*")


def test_labels_may_stand_in_a_column_of_another_name(tmp_path):
    header = ["subject", "session", "label", "dx", "path"]
    rows = [["a", "1", "x", "CN", "a.nii"], ["b", "1", "y", "AD", "b.nii"]]
    cohort = load_cohort(write_table(tmp_path, rows, header), label_column="dx")
    assert cohort.targets == [0, 1] and cohort.scans[0].others == (("label", "x"),)
    with pytest.raises(InputError, match="missing column: diagnosis"):
        load_cohort(tmp_path, label_column="diagnosis")


@pytest.mark.parametrize(
    ("there", "targets", "kind"),
    [
        (["CN", "Dementia"], [0, 1], "a plain CSV, Dementia read as AD"),
        (["normal", "ad"], [0, 1], "a plain CSV, ad read as AD, normal read as CN"),
        (["CU", "NC", "AD"], [0, 0, 1], "a plain CSV, CU read as CN, NC read as CN"),
        (["CN", "AD", "Dementia"], [0, 1, 1], "a plain CSV, Dementia read as AD"),
        (["CN", "cn", "AD", "ad"], [0, 0, 1, 1], "a plain CSV, ad read as AD, cn read as CN"),
        (["CN", "AD", "patient"], [0, 1], "a plain CSV"),
    ],
)
def test_labels_in_another_case_and_synonyms_are_read_as_the_configs(tmp_path, there, targets, kind):
    table = write_table(tmp_path, [[f"s{n}", "1", label, f"{n}.nii"] for n, label in enumerate(there)])
    cohort = load_cohort(table)
    assert (cohort.targets, cohort.kind) == (targets, kind)
    assert {scan.label for scan in cohort.scans} == {"CN", "AD"}


def test_a_label_that_no_scan_has_is_told_with_those_that_there_are(tmp_path):
    table = write_table(tmp_path, [["a", "1", "CN", "a.nii"], ["b", "1", "patient", "b.nii"]])
    with pytest.raises(InputError) as error:
        load_cohort(table)
    for said in (
        "no scan is labelled AD",
        "for --config.cohort.labels: 1 CN, 1 patient",
        "excluded: 1 (label patient)",
    ):
        assert said in str(error.value)


def test_natural_order_and_dates():
    assert sorted(["m12", "bl", "m6", "10", "9"], key=natural_key) == ["9", "10", "bl", "m6", "m12"]
    assert parse_date("1/29/2018") == parse_date("2018-01-29") and parse_date(" ") is None
    assert parse_date("2018-01-29T10:00:00").hour == 10


@pytest.mark.parametrize("date", ["2018-01-29", "1/29/2018", "01/29/2018", "2018/1/29", "29.1.2018", "29.01.2018"])
@pytest.mark.parametrize("time", ["", " 0:00", " 00:00:00", " 12:00 AM", " 12:00:00 AM"])
def test_dates_as_tables_have_them(date, time):
    """With the times that spreadsheets add to them."""
    assert parse_date(date + time) == parse_date("20180129")


@pytest.mark.parametrize("text", ["", " ", "n/a", "NaN", "NaT", "NA", "#N/A", "10:00:00", "9:30"])
def test_dates_that_are_not_known(text):
    assert is_date(text) and parse_date(text) is None


@pytest.mark.parametrize(
    "text", ["31/12/2006", "2006", "2006-13-01", "1/2/06", "0", "yesterday", "1.2.3", "/", "9" * 5000]
)
def test_what_is_no_date(text):
    assert not is_date(text)


def test_numbers_of_any_length_have_an_order():
    """Python converts no more than 4300 digits."""
    long = "1" + "0" * 5000
    assert sorted([f"m{long}", "m9", "m10", "m"], key=natural_key) == ["m", "m9", "m10", f"m{long}"]
