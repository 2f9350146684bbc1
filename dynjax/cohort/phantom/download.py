"""Writes the phantom cohort as files in the layout of an ADNI download, so that one reader serves both."""

import datetime
import functools
import hashlib
import json
from pathlib import Path

import nibabel

from dynjax.cohort.phantom.anatomy import AFFINE, Anatomy, load_anatomy
from dynjax.cohort.phantom.subject import SEPARATION, Subject, best_auc, draw_subjects, render_scan
from dynjax.cohort.table import PHANTOM_MARK
from dynjax.csv_table import to_csv
from dynjax.files import atomic_path, cache_folder, write_text
from dynjax.work.parallel import parallel_map

RECIPE = 2  # raise it whenever the same settings give other scans, so that no older cohort is reused
STRIPPED = "Spatially Normalized, Masked and N3 corrected T1 image"
WITH_SKULL = "MT1; GradWarp; N3m"
ADNI_COLUMNS = [
    "Image Data ID", "Subject", "Group", "Sex", "Age", "Visit", "Modality", "Description",
    "Type", "Acq Date", "Format", "Downloaded",
]  # fmt: skip

README = """\
# A synthetic cohort

These {n} subjects ({negatives} {labels[0]}, {positives} {labels[1]}) do not exist. Their scans were made from the ICBM
2009a nonlinear symmetric template and its tissue maps (Fonov et al. 2011); nothing here comes from a patient. Every
number obtained from them is synthetic and must be reported as such.

Disease acts only through a severity, drawn from N(0, 1) for {labels[0]} and from N({separation}, 1) for {labels[1]}
(`severity.tsv`). It enlarges the ventricles and the medial temporal fluid and thins the cortex. Other differences
between people and between scans are unrelated to disease. The best ROC AUC that any method can reach on such subjects
is therefore known: Phi({separation} / sqrt 2) = {ceiling:.3f}. In a cohort of this size, one estimated AUC differs from
its true value by a few hundredths.

Settings: {settings}
"""


def phantom_cohort(n: int = 100, seed: int = 0, skull: bool = False, labels: tuple[str, str] = ("CN", "AD")) -> Path:
    """Makes the cohort in the cache folder unless it is there, and returns that folder, a table for `load_cohort`.

    The same settings give bit-identical scans on one machine with the same versions. A killed run is continued.

    Args: n, the number of subjects; skull, whether scans have a skull and scalp; labels, (negative, positive).
    """
    settings = {"recipe": RECIPE, "n": n, "seed": seed, "skull": skull, "labels": labels}
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:8]
    folder = cache_folder() / "phantoms" / f"n{n}-seed{seed}{'-skull' if skull else ''}-{key}"
    if not (folder / "collection.csv").exists():
        _make(folder, draw_subjects(n, seed, labels), seed, skull, settings)
    return folder


def _make(folder: Path, subjects: list[Subject], seed: int, skull: bool, settings: dict) -> None:
    scans = [(subject, visit) for subject in subjects for visit in range(subject.visits)]
    write = functools.partial(_write_scan, folder, load_anatomy(), seed, skull)
    parallel_map(write, scans, f"making {len(scans)} phantom scans of {len(subjects)} SYNTHETIC subjects")
    severities = "".join(f"{_ptid(s)}\t{s.label}\t{s.severity:.6f}\n" for s in subjects)
    write_text(folder / PHANTOM_MARK, "subject\tlabel\tseverity\n" + severities)
    count = [sum(subject.label == label for subject in subjects) for label in settings["labels"]]
    about = {"n": len(subjects), "labels": settings["labels"], "negatives": count[0], "positives": count[1]}
    text = README.format(**about, separation=SEPARATION, ceiling=best_auc(SEPARATION), settings=settings)
    write_text(folder / "README.md", text)
    write_text(folder / "collection.csv", _collection(scans, skull))  # last: its presence marks the cohort complete


def _write_scan(folder: Path, anatomy: Anatomy, seed: int, skull: bool, scan: tuple[Subject, int]) -> None:
    path = folder / _scan_path(*scan, skull)
    if path.exists():
        return
    image = nibabel.Nifti1Image(render_scan(*scan, seed, anatomy, skull), AFFINE)
    image.header["descrip"] = b"dynjax phantom, synthetic"
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nibabel.save(image, temporary)


def _scan_path(subject: Subject, visit: int, skull: bool) -> Path:
    name = (WITH_SKULL if skull else STRIPPED).replace(" ", "_").replace(";", "_")
    when, image = _acquired(subject, visit), _image_id(subject, visit)
    file = f"ADNI_{_ptid(subject)}_MR_{name}_Br_{when:%Y%m%d%H%M%S}000_S{image - 50000}_I{image}.nii.gz"
    return Path("ADNI", _ptid(subject), name, f"{when:%Y-%m-%d_%H_%M_%S}.0", f"I{image}", file)


def _collection(scans: list[tuple[Subject, int]], skull: bool) -> str:
    rows = []
    for subject, visit in scans:
        when = _acquired(subject, visit)
        rows.append([
            f"I{_image_id(subject, visit)}", _ptid(subject), subject.label, subject.sex, subject.age + visit,
            "m12" if visit else "bl", "MRI", WITH_SKULL if skull else STRIPPED,
            "Processed", f"{when.month}/{when.day}/{when.year}", "NiFTI", "",
        ])  # fmt: skip
    return to_csv(ADNI_COLUMNS, rows, quote_all=True)


def _ptid(subject: Subject) -> str:
    return f"{subject.number % 20 + 1:03d}_S_{subject.number + 1:04d}"


def _image_id(subject: Subject, visit: int) -> int:
    return 100000 + 10 * subject.number + visit


def _acquired(subject: Subject, visit: int) -> datetime.datetime:
    """Returns a scan's date; a second visit is a year after the first."""
    days = subject.number * 37 % 900 + 365 * visit
    return datetime.datetime(2006, 1, 2, 8, 30) + datetime.timedelta(days=days)
