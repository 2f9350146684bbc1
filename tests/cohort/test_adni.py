"""ADNI downloads: the collection's CSV beside its tree."""

import csv

import pytest

from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError

HEADER = ["Image Data ID", "Subject", "Group", "Sex", "Age", "Visit", "Modality", "Description", "Type", "Acq Date"]
HEADER += ["Format", "Downloaded"]
N3M = "MT1; GradWarp; N3m"


def row(image, subject, group, date, description=N3M, modality="MRI"):
    return [image, subject, group, "F", "70", "bl", modality, description, "Processed", date, "NiFTI", ""]


def download(folder, rows, folder_prefix="I", suffix=".nii"):
    for image, subject, *_ in rows:
        number = image.removeprefix("I")
        tree = folder / "ADNI" / subject / "MT1__GradWarp__N3m" / "2006-01-02_08_30_00.0" / f"{folder_prefix}{number}"
        tree.mkdir(parents=True)
        (tree / f"ADNI_{subject}_MR_MT1__GradWarp__N3m_Br_2006_S1_I{number}{suffix}").touch()
    with open(folder / "collection.csv", "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([HEADER, *rows])
    return folder / "collection.csv"


@pytest.mark.parametrize("prefix", ["I", ""])
@pytest.mark.parametrize("folder_prefix", ["I", "", "S"])
def test_image_ids_with_and_without_their_letter(tmp_path, prefix, folder_prefix):
    rows = [row(prefix + "101", "002_S_0001", "CN", "1/2/2006"), row(prefix + "102", "002_S_10002", "AD", "1/3/2006")]
    cohort = load_cohort(download(tmp_path, rows, folder_prefix, ".nii.gz"))
    assert [(scan.subject, scan.session, scan.label) for scan in cohort.scans] == [
        ("002_S_0001", "2006-01-02", "CN"),
        ("002_S_10002", "2006-01-03", "AD"),
    ]
    assert cohort.scans[0].path.name.endswith("_I101.nii.gz") and cohort.scans[0].site == "002"


def test_first_date_lowest_image_id_and_everything_counted(tmp_path):
    rows = [
        row("I205", "002_S_0001", "CN", "1/2/2006"),
        row("I204", "002_S_0001", "CN", "1/2/2006"),
        row("I203", "002_S_0001", "CN", "11/2/2005", description="MPR"),
        row("I202", "002_S_0001", "CN", "2/2/2006"),
        row("I201", "003_S_0001", "AD", "1/2/2006"),
        row("I200", "003_S_0001", "AD", "1/1/2006", modality="PET"),
        row("I199", "004_S_0001", "EMCI", "1/1/2006"),
    ]
    cohort = load_cohort(download(tmp_path, rows), description="mt1*n3m")
    assert [scan.path.name[-8:] for scan in cohort.scans] == ["I204.nii", "I201.nii"]
    assert cohort.scans[0].column("Description") == N3M and "Age" not in dict(cohort.scans[0].others)
    assert cohort.excluded == {
        "modality PET": 1,
        "description other than cohort.description": 1,
        "another image of the same subject and date, with a higher image id": 1,
        "label EMCI": 1,
        "later visit of a subject": 1,
    }
    assert load_cohort(tmp_path, description=N3M).scans == cohort.scans


def test_labels_may_stand_in_another_column(tmp_path):
    rows = [row("I1", "002_S_0001", "CN", "1/2/2006"), row("I2", "002_S_0002", "AD", "1/2/2006")]
    table = download(tmp_path, [[*rows[0][:3], "M", *rows[0][4:]], rows[1]])
    cohort = load_cohort(table, ("F", "M"), label_column="Sex")
    assert cohort.targets == [1, 0] and cohort.kind == "an ADNI collection"
    assert cohort.scans[0].column("Group") == "CN"
    with pytest.raises(InputError, match="needs the columns:\n  DX"):
        load_cohort(table, label_column="DX")


def test_refusals(tmp_path):
    rows = [row("I1", "002_S_0001", "CN", "1/2/2006"), row("I2", "002_S_0002", "AD", "1/2/2006")]
    table = download(tmp_path, rows)
    next(tmp_path.rglob("*_I2.nii")).unlink()
    with pytest.raises(InputError, match=r"002_S_0002/\.\.\./I2: no such file"):
        load_cohort(table)

    copy = next(tmp_path.rglob("*_I1.nii"))
    copy.with_name("ADNI_copy_I1.nii").touch()
    with pytest.raises(InputError, match="more than one file for an image"):
        load_cohort(table)


def test_unreadable_rows_are_all_listed(tmp_path):
    rows = [row("Ix", "002_S_0001", "CN", "1/2/2006"), row("I2", "002_S_0002", "AD", "2006/13/13")]
    rows += [row("I3", "", "AD", "1/1/2006"), row("I4", "a", "AD", "1/1/2006"), row("I4", "a", "AD", "1/1/2006")]
    with open(tmp_path / "collection.csv", "w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    with pytest.raises(InputError) as error:
        load_cohort(tmp_path)
    assert all(part in str(error.value) for part in ("line 2", "line 3", "line 4", "image 4 is listed more than once"))


def test_a_collection_without_its_tree(tmp_path):
    with open(tmp_path / "collection.csv", "w", newline="") as file:
        csv.writer(file).writerows([HEADER, row("I1", "002_S_0001", "CN", "1/2/2006")])
    with pytest.raises(InputError, match="beside its ADNI folder"):
        load_cohort(tmp_path)
