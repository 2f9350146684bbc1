"""ADNI downloads: the collection's CSV beside its tree."""

import csv

import pytest

from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from tests.cohort.worlds import unreadable

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
    return write(folder, [HEADER, *rows])


def write(folder, rows, separator=","):
    with open(folder / "collection.csv", "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, delimiter=separator).writerows(rows)
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


def test_an_image_that_was_not_downloaded_is_refused_alone_and_two_files_for_one_refuse_all(tmp_path):
    rows = [row(f"I{n}", f"002_S_000{n}", "CN" if n % 2 else "AD", "1/2/2006") for n in range(1, 5)]
    table = download(tmp_path, rows)
    next(tmp_path.rglob("*_I2.nii")).unlink()
    next(tmp_path.rglob("*_I3.nii")).rename(tmp_path / "ADNI" / "ADNI_002_S_0003_MR_MPR_I3.dcm")
    cohort = load_cohort(table)
    assert [scan.subject for scan in cohort.scans] == ["002_S_0001", "002_S_0004"]
    missing, dicom = sorted(cohort.refused, key=lambda refused: refused.subject)
    assert "002_S_0002/.../I2: refused: no such file in the download; download the image" in str(missing)
    assert "/I3: refused: no such file: there are only DICOM files of it; convert with dcm2niix" in str(dicom)
    assert "refused: 1 (DICOM; convert with dcm2niix" in cohort.describe()

    copy = next(tmp_path.rglob("*_I1.nii"))
    copy.with_name("ADNI_copy_I1.nii").touch()
    with pytest.raises(InputError, match="more than one file for an image"):
        load_cohort(table)


def test_rows_that_cannot_be_read_are_refused_alone_and_repeated_images_refuse_all(tmp_path):
    good = [row("I8", "002_S_0008", "CN", "1/2/2006"), row("I9", "002_S_0009", "AD", "1/2/2006")]
    download(tmp_path, good)
    bad = [row("Ix", "002_S_0001", "CN", "1/2/2006"), row("I2", "002_S_0002", "AD", "2006/13/13")]
    bad += [row("I3", "", "AD", "1/1/2006"), row("I4", "002_S_0004", "", "1/1/2006")]
    other = [row("Iy", "002_S_0005", "MCI", "never"), row("", "", "AD", "", modality="PET")]  # nobody wants these
    cohort = load_cohort(write(tmp_path, [HEADER, *bad, *good, *other]))
    assert [scan.subject for scan in cohort.scans] == ["002_S_0008", "002_S_0009"]
    said = "\n".join(map(str, cohort.refused))
    assert len(cohort.refused) == 4
    for part in (
        "collection.csv, line 2: refused: Image Data ID 'Ix' is no number of an image; correct that line",
        "line 3: refused: Acq Date '2006/13/13' is neither m/d/yyyy nor yyyy-mm-dd",
        "line 4: refused: Subject is empty",
        "line 5: refused: Group is empty",
    ):
        assert part in said
    with pytest.raises(InputError, match="image 8 is listed more than once"):
        load_cohort(write(tmp_path, [HEADER, *good, good[0]]))


def known(cohort):
    """The scans with the columns that dynjax knows; others keep the table's own names."""
    return [scan._replace(others=(scan.column("Visit"), scan.column("Description"))) for scan in cohort.scans]


HEADERS = {
    "since October 2024": {
        "Image Data ID": "image_id", "Subject": "subject_id", "Group": "research_group", "Sex": "sex", "Age": "age",
        "Visit": "visit", "Modality": "modality", "Description": "image_description", "Type": "image_type",
        "Acq Date": "image_date", "Format": "format", "Downloaded": "downloaded",
    },
    "idaSearch": {
        "Image Data ID": "Image ID", "Subject": "Subject ID", "Group": "Research Group", "Acq Date": "Study Date",
    },
}  # fmt: skip


@pytest.mark.parametrize("names", HEADERS.values(), ids=HEADERS.keys())
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_columns_of_the_ida_of_any_year_are_read_as_the_same(tmp_path, names, separator):
    rows = [row("101", "002_S_0001", "CN", "1/2/2006"), row("I102", "002_S_0002", "Dementia", "2006-01-03")]
    classic = load_cohort(download(tmp_path, rows))
    renamed = [names.get(name, name) for name in HEADER]
    cohort = load_cohort(write(tmp_path, [renamed, *rows], separator))
    assert known(cohort) == known(classic) and cohort.kind == classic.kind == "an ADNI collection, Dementia read as AD"
    column = names["Group"]
    assert known(load_cohort(tmp_path, label_column=column)) == known(classic)
    undated = ["x" if name == names["Acq Date"] else name for name in renamed]
    with pytest.raises(InputError, match="needs the columns:\n  Acq Date"):
        load_cohort(write(tmp_path, [undated, *rows], separator))


@pytest.mark.parametrize("name", ["I{}.nii", "I{}.nii.gz", "ADNI_S1_I{}.img", "somewhere/deep/I{}/converted.nii.gz"])
def test_files_are_found_by_the_id_in_their_name_or_their_folder(tmp_path, name):
    rows = [row(f"I{n}", f"002_S_000{n}", "CN" if n % 2 else "AD", "1/2/2006") for n in (1, 2)]
    for number in (1, 2):
        path = tmp_path / "ADNI" / name.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [scan.path.name for scan in load_cohort(write(tmp_path, [HEADER, *rows])).scans] == [
        name.format(number).split("/")[-1] for number in (1, 2)
    ]


@pytest.mark.parametrize(
    ("better", "worse", "is_left_out"),
    [
        ("MPRAGE", "3 Plane Localizer", True),
        ("MPR; GradWarp; B1 Correction; N3", "B1-Calibration Body", True),
        ("MPRAGE", "Field Mapping", True),
        ("MPRAGE", "AAHScout", True),
        ("MPRAGE", "Calibration Scan", True),
        ("Accelerated Sagittal MPRAGE", "Axial T2 Star", False),
        ("MT1; N3m", "Axial FLAIR", False),
        ("MT1; N3m", "HighResHippocampus", False),
    ],
)
def test_another_series_never_wins_by_a_lower_image_id(tmp_path, better, worse, is_left_out):
    rows = [row("I2", "002_S_0001", "CN", "1/2/2006", better), row("I1", "002_S_0001", "CN", "1/2/2006", worse)]
    rows += [row("I3", "002_S_0002", "AD", "1/2/2006", better)]
    cohort = load_cohort(download(tmp_path, rows))
    assert [scan.path.name[-6:] for scan in cohort.scans] == ["I2.nii", "I3.nii"]
    reason = f"no anatomical scan ({worse})"
    assert cohort.excluded.get(reason, 0) == is_left_out
    note = f"1 dates have {better!r} and {worse!r}: the lowest image id of {better!r} is used"
    assert any(note in said for said in cohort.notes) != is_left_out
    chosen = load_cohort(tmp_path, labels=("CN", "AD"), description=f"{better[:3]}*")
    assert chosen.scans == cohort.scans


def test_several_descriptions_are_told_unless_one_was_asked_for(tmp_path):
    rows = [
        row(f"I{n}", f"002_S_000{n}", "CN" if n % 2 else "AD", "1/2/2006", "MPR" if n < 4 else "SPGR")
        for n in (1, 2, 3, 4)
    ]
    cohort = load_cohort(download(tmp_path, rows))
    assert "2 descriptions are used: 3 'MPR', 1 'SPGR'; --config.cohort.description chooses" in cohort.notes
    assert not load_cohort(tmp_path, description="*PR*").notes


def test_a_folder_of_the_download_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    rows = [row(f"I{n}", f"002_S_000{n}", "CN" if n % 2 else "AD", "1/2/2006") for n in (1, 2, 3)]
    table = download(tmp_path, rows)
    unreadable(monkeypatch, tmp_path / "ADNI" / "002_S_0002")
    cohort = load_cohort(table)
    assert len(cohort.scans) == 2 and [refused.finding.kind for refused in cohort.refused] == ["unreadable"]
    assert "ADNI/002_S_0002 cannot be read (Permission denied)" in str(cohort.refused[0])


def test_a_collection_without_its_tree(tmp_path):
    with open(tmp_path / "collection.csv", "w", newline="") as file:
        csv.writer(file).writerows([HEADER, row("I1", "002_S_0001", "CN", "1/2/2006")])
    with pytest.raises(InputError, match="beside its ADNI folder"):
        load_cohort(tmp_path)
