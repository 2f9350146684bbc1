"""One cohort in other clothes: the same scan files, linked into a plain CSV, a BIDS dataset and a CAPS folder."""

import csv
from pathlib import Path

from dynjax.cohort.scan import Scan
from dynjax.cohort.table import PHANTOM_MARK


def write_tsv(path: Path, header: list[str], rows: list[list[str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t", lineterminator="\n").writerows(
            [header, *rows]
        )
    return path


def clinica_name(scan: Scan) -> tuple[str, str]:
    """What Clinica calls an ADNI subject and visit: sub-ADNI002S0295, ses-M012."""
    month = {"bl": "M000", "m12": "M012"}[scan.column("Visit")]
    return f"sub-ADNI{scan.subject.replace('_', '')}", f"ses-{month}"


def as_csv(scans: tuple[Scan, ...], folder: Path) -> Path:
    rows = [[scan.subject, scan.session, scan.label, str(scan.path), scan.age, scan.sex] for scan in scans]
    (folder / PHANTOM_MARK).touch()
    return write_tsv(folder / "scans.csv", ["subject", "session", "label", "path", "age", "sex"], rows)


def as_bids(scans: tuple[Scan, ...], folder: Path) -> Path:
    """As `clinica convert adni-to-bids` leaves it."""
    for scan in scans:
        subject, session = clinica_name(scan)
        _link(scan, folder / subject / session / "anat" / f"{subject}_{session}_T1w.nii.gz")
    _tables(scans, folder)
    return folder


def as_caps(scans: tuple[Scan, ...], folder: Path) -> Path:
    """As `clinica run t1-linear` leaves it, with the tables of the dataset it was made from."""
    for scan in scans:
        subject, session = clinica_name(scan)
        own = folder / "subjects" / subject / session / "t1_linear"
        for crop in ("", "desc-Crop_"):
            _link(scan, own / f"{subject}_{session}_space-MNI152NLin2009cSym_{crop}res-1x1x1_T1w.nii.gz")
    _tables(scans, folder)
    return folder


def _link(scan: Scan, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(scan.path)


def _tables(scans: tuple[Scan, ...], folder: Path) -> None:
    named = [(*clinica_name(scan), scan) for scan in scans]
    sexes = {subject: scan.sex for subject, _, scan in named}
    write_tsv(folder / "participants.tsv", ["participant_id", "sex"], list(map(list, sexes.items())))
    for subject in sexes:
        own = [[ses, scan.label, scan.age, f"{scan.acquired}"] for sub, ses, scan in named if sub == subject]
        header = ["session_id", "diagnosis", "age", "examination_date"]
        write_tsv(folder / subject / f"{subject}_sessions.tsv", header, own)
    (folder / PHANTOM_MARK).touch()
