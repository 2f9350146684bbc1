"""Scans that a command names: files, folders and tables without labels, each path once and in an order that holds."""

import os

import pytest

from dynjax.cohort.named import named_scans
from dynjax.errors import InputError, UsageError


@pytest.fixture
def folder(tmp_path):
    """Scans in a folder and below it, between other files."""
    names = ("b10.nii", "b9.NII.gz", "deep/er/a.nii.gz", ".hidden.nii.gz", ".dot/c.nii", "notes.txt", "b9.nii.gz.json")
    for name in names:
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "scans"


def test_a_folder_stands_for_its_scans_in_natural_order(folder):
    expected = [str(folder / name) for name in ("b9.NII.gz", "b10.nii", "deep/er/a.nii.gz")]
    assert named_scans([str(folder)]) == (expected, "")
    mixed = named_scans(["gone.nii", str(folder / "b10.nii"), str(folder)]).paths
    assert mixed == ["gone.nii", expected[1], expected[0], expected[2]], "each once"


def test_a_table_names_scans_relative_to_itself(folder, tmp_path):
    table = tmp_path / "scans.csv"
    table.write_text(f"age,path\n70,scans/b10.nii\n71,{folder}/b9.NII.gz\n72,scans/b10.nii\n")
    assert named_scans([], str(table)).paths == [f"{tmp_path}/scans/b10.nii", f"{folder}/b9.NII.gz"]
    assert named_scans(["x.nii"], str(table)).paths[0] == "x.nii"
    assert named_scans([]).paths == []


def test_images_of_other_kinds_are_counted_and_not_taken(folder, tmp_path):
    for name in (
        "T1.mgz",
        "deep/aseg.MGZ",
        "old.img",
        "old.hdr",
        "old.img.gz",
        "dicom/1.dcm",
        ".dot/x.mgz",
        "a.mgz.txt",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    found = named_scans([str(folder), "x.mgz"])
    assert [os.path.basename(path) for path in found.paths] == ["b9.NII.gz", "b10.nii", "a.nii.gz", "x.mgz"]
    counts = "1 .dcm, 1 .hdr, 1 .img, 1 .img.gz, 2 .mgz"
    assert found.aside.startswith(f"{folder}: left aside {counts}: ") and found.aside.count("\n") == 0
    with pytest.raises(
        InputError, match=r"no \.nii or \.nii\.gz file is in this folder; it has 1 \.dcm, which can be n"
    ):
        named_scans([str(folder / "dicom")])


def test_links_to_folders_are_followed_once(folder, tmp_path):
    other = tmp_path / "other"
    (other / "more").mkdir(parents=True)
    (other / "c.nii").touch()
    (other / "more" / "d.nii").touch()
    links = {"link": other, "again": other, "loop": folder, "up": tmp_path, "deep/inner": folder / "deep" / "er"}
    links |= {"dangling": tmp_path / "gone", ".hidden": other}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    (other / "more" / "back").symlink_to(other)
    names = ["again/c.nii", "again/more/d.nii", "b9.NII.gz", "b10.nii", "deep/er/a.nii.gz"]
    assert named_scans([str(folder)]).paths == [str(folder / name) for name in names]
    (tmp_path / "whole").symlink_to(folder)
    assert len(named_scans([str(tmp_path / "whole")]).paths) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,age\na.nii,3\n", r"has no column path, of the scans' files; its columns are file, age$"),
        ("path,age\n", "lists no scan; it needs a row for each"),
        ("path\n\n\n", "lists no scan"),
        (
            "age,path\n3,\n4,n/a\n5,a.nii\n",
            r"2 of 3 rows name no scan:\n  line 2: path is empty\n  line 3: path is n/a$",
        ),
        ("path\na.nii,b.nii\n", r"1 of 1 rows name no scan:\n  line 2: 2 cells, the header has 1"),
    ],
)
def test_a_table_without_scans_is_refused_in_words(text, said, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=rf"t\.csv: {said}"):
        named_scans([], str(tmp_path / "t.csv"))


def test_what_is_no_folder_of_scans_and_no_table_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no \.nii or \.nii\.gz file is in this folder"):
        named_scans([str(tmp_path)])
    with pytest.raises(InputError, match=r"gone\.csv: no such file"):
        named_scans([], str(tmp_path / "gone.csv"))
    with pytest.raises(InputError, match="it is a folder"):
        named_scans([], str(tmp_path))


def test_a_table_named_as_a_scan_is_said(folder):
    with pytest.raises(UsageError, match=r"new\.csv: is a table, not a scan; give it as --table=new\.csv"):
        named_scans([str(folder), "new.csv"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_named(folder):
    (folder / "deep").chmod(0)
    with pytest.raises(InputError, match="deep: this folder cannot be read"):
        named_scans([str(folder)])
    (folder / "deep").chmod(0o700)
