"""Every verb by every option that another verb knows: each cell is a command, its exit code and its sentence."""

import csv
import shutil
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from tests.command import PHANTOMS, ROOT, TINY, VERBS, main
from tests.together import made_once

SHORT = (*TINY, "--config.train.epochs=1", "--config.train.folds=2")
ZERO = "--config.volume.nan=zero"
SMALL = tuple(option for option in SHORT if option.startswith(("--config.volume", "--config.train.folds")))
NAMES = ("subject", "session", "label", "path")


class Cell(NamedTuple):
    """{w} stands for the folder of cohorts and runs, {tmp} for a new one."""

    option: str
    verb: str
    arguments: tuple[str, ...]
    code: int
    said: str


def on(table: str) -> str:
    return f"--config.cohort.table={{w}}/{table}.csv"


def baseline(name: str, *options: str) -> tuple[str, ...]:
    return (f"--config=configs/baseline_{name}.py", *SMALL, *options, "--workdir={tmp}/w")


ONE = ("--subjects=001_S_0001",)
VECTORS = "--config.cohort.embeddings={w}/vectors.csv"  # of the twelve scans that are good, and of the one that is cut
NAN = "NaN"
REFUSED = "refused scans"
MISSING = "scans that are not there"
REPEATS = "repeats"
EXTERNAL = "an external run"
BASELINE = "a baseline"
PARTIAL = "a run of some folds"
FROZEN = "a run of the release before"
ADVICE = "--config.volume.nan=zero"
CELLS = [
    Cell(NAN, "check", ("check", *SHORT, on("nan")), 3, "2 of 12 scans are refused"),
    Cell(NAN, "check", ("check", *SHORT, on("nan"), ZERO), 0, "outside the brain, are NaN and read as 0"),
    Cell(NAN, "train", (*SHORT, on("nan"), "--workdir={tmp}/w"), 3, ADVICE),
    Cell(NAN, "train", baseline("brain_volume", on("nan"), ZERO), 0, "ROC AUC"),
    Cell(NAN, "train", baseline("brain_volume", on("nan")), 3, ADVICE),
    Cell(NAN, "train", baseline("mean_intensity", on("nan"), ZERO), 0, "ROC AUC"),
    Cell(NAN, "train", baseline("svm", on("nan"), ZERO), 0, "ROC AUC"),
    Cell(NAN, "train", baseline("mask", on("nan"), ZERO), 0, "ROC AUC"),
    Cell(NAN, "train", baseline("mask", on("nan")), 3, ADVICE),
    Cell(NAN, "train", baseline("embedding", on("nan"), VECTORS, ZERO), 0, "5 numbers for each of 12 scans"),
    Cell(NAN, "train", baseline("embedding", on("nan"), VECTORS), 3, ADVICE),
    Cell(NAN, "audit", ("audit", *SHORT, on("nan")), 3, ADVICE),
    Cell(NAN, "audit", ("audit", *SHORT, on("nan"), ZERO), 0, "no leak"),
    Cell(NAN, "audit", ("audit", *SHORT, on("all"), ZERO, "--workdir={w}/all"), 0, "no leak"),
    Cell(NAN, "evaluate", ("evaluate", "--workdir={w}/all"), 0, "ROC AUC"),
    Cell(
        NAN,
        "evaluate --table",
        ("evaluate", "--workdir={w}/partial", "--table={w}/other.csv", "--out={tmp}/o"),
        3,
        ADVICE,
    ),
    Cell(NAN, "predict", ("predict", "--workdir={w}/all", "--allow-unlike", "{w}/nan0.nii.gz"), 0, "nan0.nii.gz"),
    Cell(NAN, "predict", ("predict", "--workdir={w}/partial", "--allow-unlike", "{w}/nan0.nii.gz"), 3, "NaN"),
    Cell(NAN, "explain", ("explain", "--workdir={w}/all", *ONE, "--out={tmp}/o"), 0, "with 1 map"),
    Cell(NAN, "explain", ("explain", "--workdir={w}/partial", "--allow-unlike", "{w}/nan0.nii.gz"), 3, "NaN"),
    Cell(NAN, "report", ("report", "--workdir={w}/all"), 0, "written"),
    Cell(NAN, "compare", ("compare", "{w}/all"), 0, "AlexNet"),
    Cell(REFUSED, "check", ("check", *SHORT, on("refused")), 3, "1 of 13 scans are refused"),
    Cell(
        REFUSED,
        "check",
        ("check", *SHORT, on("refused"), "--allow-refused"),
        2,
        "is for train, audit, evaluate, not for check",
    ),
    Cell(
        REFUSED,
        "prepare",
        ("prepare", *SHORT, on("refused"), "--allow-refused"),
        2,
        "is for train, audit, evaluate, not for prepare",
    ),
    Cell(REFUSED, "prepare", ("prepare", *SHORT, on("few"), "--out={tmp}/o"), 3, "2 of 4 scans are refused"),
    Cell(
        REFUSED,
        "train",
        (*SHORT, on("refused"), "--workdir={tmp}/w"),
        3,
        "1 of 13 scans cannot be used; put them right, or go on without them by --allow-refused",
    ),
    Cell(
        REFUSED,
        "train",
        (*baseline("brain_volume", on("refused")), "--allow-refused"),
        0,
        "going on without 1 of 13 scans",
    ),
    Cell(
        REFUSED,
        "train",
        (*baseline("embedding", on("refused"), VECTORS), "--allow-refused"),
        0,
        "for each of 12 scans; 1 row of scans outside the cohort ignored",
    ),
    Cell(REFUSED, "audit", ("audit", *SHORT, on("refused")), 3, "truncated"),
    Cell(REFUSED, "audit", ("audit", *SHORT, on("refused"), "--allow-refused"), 0, "going on without 1 of 13 scans"),
    Cell(
        REFUSED,
        "audit --workdir",
        ("audit", *SHORT, on("all"), ZERO, "--workdir={w}/all"),
        0,
        "audited without the 2 scans that the run excluded",
    ),
    Cell(
        REFUSED,
        "audit --shuffle",
        ("audit", "--shuffle", *baseline("brain_volume", on("refused")), "--allow-refused"),
        0,
        "on shuffled labels",
    ),
    Cell(
        REFUSED,
        "audit --shuffle",
        ("audit", "--shuffle", *baseline("embedding", on("refused"), VECTORS), "--allow-refused"),
        0,
        "on shuffled labels",
    ),
    Cell(REFUSED, "evaluate", ("evaluate", "--workdir={w}/baseline"), 0, "ROC AUC"),
    Cell(
        REFUSED,
        "evaluate --table",
        ("evaluate", "--workdir={w}/all", "--table={w}/other.csv", "--out={tmp}/o"),
        3,
        "2 of 8 scans cannot be used",
    ),
    Cell(REFUSED, "evaluate --table", ("compare", "{w}/external"), 0, "EXTERNAL"),
    Cell(REFUSED, "predict", ("predict", "--workdir={w}/all", "{w}/cut.nii.gz"), 3, "truncated"),
    Cell(REFUSED, "explain", ("explain", "--workdir={w}/all", "{w}/cut.nii.gz"), 3, "truncated"),
    Cell(REFUSED, "report", ("report", "--workdir={w}/baseline"), 0, "written"),
    Cell(REFUSED, "compare", ("compare", "{w}/all", "{w}/baseline", "--paired"), 0, "Paired by subject"),
    Cell(MISSING, "check", ("check", *SHORT, on("missing")), 3, "1 of 13 scans are refused"),
    Cell(MISSING, "prepare", ("prepare", *SHORT, on("gone"), "--out={tmp}/o"), 3, "no such file"),
    Cell(MISSING, "train", (*SHORT, on("missing"), "--workdir={tmp}/w"), 3, "1 of 13 scans cannot be used"),
    Cell(
        MISSING,
        "train",
        (*baseline("brain_volume", on("missing")), "--allow-refused"),
        0,
        "going on without 1 of 13 scans",
    ),
    Cell(
        MISSING, "audit", ("audit", *SHORT, on("missing")), 3, "put them right, or audit the others by --allow-refused"
    ),
    Cell(MISSING, "audit", ("audit", *SHORT, on("missing"), "--allow-refused"), 0, "no leak: of 12 scans"),
    Cell(MISSING, "predict", ("predict", "--workdir={w}/all", "{w}/gone.nii.gz"), 3, "no such file"),
    Cell(MISSING, "explain", ("explain", "--workdir={w}/all", "{w}/gone.nii.gz"), 3, "no such file"),
    Cell(REPEATS, "check", ("check", *SHORT, *PHANTOMS, "--config.train.repeats=2"), 0, "12 ok"),
    Cell(
        REPEATS, "train", (*SHORT, *PHANTOMS, "--config.train.repeats=2", "--workdir={w}/repeats"), 0, "nothing to do"
    ),
    Cell(REPEATS, "train", baseline("embedding", on("good"), VECTORS, "--config.train.repeats=2"), 0, "SD, repeats"),
    Cell(REPEATS, "audit", ("audit", *SHORT, *PHANTOMS, "--config.train.repeats=2"), 0, "no leak"),
    Cell(
        REPEATS,
        "audit",
        ("audit", *SHORT, *PHANTOMS, "--config.train.repeats=2", "--workdir={w}/repeats"),
        0,
        "no leak",
    ),
    Cell(
        REPEATS,
        "audit --shuffle",
        ("audit", "--shuffle", *SHORT, "--config.train.repeats=2"),
        2,
        "each repeat would have other labels",
    ),
    Cell(REPEATS, "evaluate", ("evaluate", "--workdir={w}/repeats"), 0, "SD, repeats"),
    Cell(
        REPEATS,
        "evaluate --table",
        ("evaluate", "--workdir={w}/repeats", "--table={w}/other.csv", "--out={tmp}/o"),
        3,
        ADVICE,
    ),
    Cell(
        REPEATS,
        "predict",
        ("predict", "--workdir={w}/repeats", "--allow-unlike", "{w}/other0.nii.gz"),
        0,
        "over 4 networks",
    ),
    Cell(REPEATS, "explain", ("explain", "--workdir={w}/repeats", *ONE, "--out={tmp}/o"), 0, "with 1 map"),
    Cell(
        REPEATS,
        "explain",
        ("explain", "--workdir={w}/repeats", "--allow-unlike", "{w}/other0.nii.gz", "--out={tmp}/o"),
        0,
        "written: {tmp}/o/other0",
    ),
    Cell(REPEATS, "report", ("report", "--workdir={w}/repeats"), 3, "each repeat of a repeated run has its own page"),
    Cell(REPEATS, "report", ("report", "--workdir={w}/repeats/repeat_0"), 0, "written"),
    Cell(REPEATS, "compare", ("compare", "{w}/repeats", "{w}/all"), 0, "one repeat with another"),
    Cell(
        EXTERNAL,
        "train",
        (*SHORT, *PHANTOMS, "--workdir={w}/external"),
        2,
        "holds another run's scores on an external cohort",
    ),
    Cell(EXTERNAL, "audit", ("audit", *SHORT, on("all"), ZERO, "--workdir={w}/external"), 3, "folds.csv: "),
    Cell(
        EXTERNAL,
        "evaluate",
        ("evaluate", "--workdir={w}/external"),
        3,
        "holds the answers of the networks of another run, and none itself; give --workdir={w}/all",
    ),
    Cell(
        EXTERNAL,
        "predict",
        ("predict", "--workdir={w}/external", "{w}/nan0.nii.gz"),
        3,
        "holds the answers of the networks of another run",
    ),
    Cell(EXTERNAL, "explain", ("explain", "--workdir={w}/external", "--subjects=e1", "--out={tmp}/o"), 0, "with 1 map"),
    Cell(EXTERNAL, "explain", ("explain", "--workdir={w}/external", *ONE), 2, "the run has no such subject"),
    Cell(EXTERNAL, "report", ("report", "--workdir={w}/external"), 0, "written"),
    Cell(EXTERNAL, "compare", ("compare", "{w}/all", "{w}/external"), 0, "EXTERNAL"),
    Cell(BASELINE, "train", (*SHORT, on("all"), ZERO, "--workdir={w}/baseline"), 2, "belongs to another config"),
    Cell(BASELINE, "train", baseline("embedding", on("good")), 2, "cohort.embeddings='': name the .csv or .npz"),
    Cell(BASELINE, "train", (*SHORT, on("good"), VECTORS, "--workdir={tmp}/w"), 2, "not for 'alexnet'; leave it out"),
    Cell(
        BASELINE,
        "train",
        baseline("embedding", on("other"), VECTORS, "--allow-refused"),
        3,
        "subject e1, session 1: not there",
    ),
    Cell(BASELINE, "audit", ("audit", *SHORT, on("all"), ZERO, "--workdir={w}/baseline"), 0, "no leak"),
    Cell(BASELINE, "evaluate", ("evaluate", "--workdir={w}/baseline", "--finished-folds"), 0, "ROC AUC"),
    Cell(
        BASELINE,
        "evaluate --table",
        ("evaluate", "--workdir={w}/baseline", "--table={w}/other.csv", "--out={tmp}/o"),
        3,
        "is a baseline, which is fitted anew",
    ),
    Cell(
        BASELINE,
        "predict",
        ("predict", "--workdir={w}/baseline", "{w}/nan0.nii.gz"),
        3,
        "brain_volume is a baseline, which is fitted anew",
    ),
    Cell(BASELINE, "explain", ("explain", "--workdir={w}/baseline"), 2, "brain_volume is a baseline without a map"),
    Cell(BASELINE, "report", ("report", "--workdir={w}/baseline"), 0, "written"),
    Cell(BASELINE, "compare", ("compare", "{w}/baseline", "{w}/all"), 0, "a baseline by scikit-learn"),
    Cell(
        PARTIAL,
        "train",
        (*SHORT, *PHANTOMS, "--config.train.only_folds=0", "--workdir={w}/partial"),
        0,
        "fold 1 not yet",
    ),
    Cell(PARTIAL, "audit", ("audit", *SHORT, *PHANTOMS, "--workdir={w}/partial"), 0, "no leak"),
    Cell(PARTIAL, "evaluate", ("evaluate", "--workdir={w}/partial"), 3, "fold 1 not trained to the end"),
    Cell(
        PARTIAL,
        "evaluate",
        ("evaluate", "--workdir={w}/partial", "--finished-folds"),
        0,
        "fold 1 NOT TRAINED yet",
    ),
    Cell(
        PARTIAL,
        "predict",
        ("predict", "--workdir={w}/partial", "--allow-unlike", "{w}/other0.nii.gz"),
        0,
        "1 of 2 folds are trained to the end",
    ),
    Cell(PARTIAL, "explain", ("explain", "--workdir={w}/partial", "--out={tmp}/o"), 0, "1 of 2 folds are trained"),
    Cell(PARTIAL, "report", ("report", "--workdir={w}/unscored"), 3, "the run is not finished"),
    Cell(PARTIAL, "compare", ("compare", "{w}/unscored"), 3, "results.json: no such file"),
    Cell(FROZEN, "train", (*TINY, *PHANTOMS, "--workdir={w}/frozen"), 0, "nothing to do"),
    Cell(FROZEN, "audit", ("audit", *TINY, *PHANTOMS, "--workdir={w}/frozen"), 0, "no leak"),
    Cell(FROZEN, "evaluate", ("evaluate", "--workdir={w}/frozen"), 0, "ROC AUC"),
    Cell(
        FROZEN,
        "evaluate --table",
        ("evaluate", "--workdir={w}/frozen", "--table={w}/other.csv", "--out={tmp}/o"),
        3,
        ADVICE,
    ),
    Cell(FROZEN, "predict", ("predict", "--workdir={w}/frozen", "{w}/other0.nii.gz"), 0, "not checked"),
    Cell(FROZEN, "explain", ("explain", "--workdir={w}/frozen", *ONE, "--out={tmp}/o"), 0, "with 1 map"),
    Cell(FROZEN, "report", ("report", "--workdir={w}/frozen"), 0, "written"),
    Cell(FROZEN, "compare", ("compare", "{w}/frozen"), 0, "AlexNet"),
]
READS_NOTHING = {"configs", "show"}  # neither scans nor runs
NO_CELL = {  # verbs that do not know the difference: they read a scan table, and no run
    **{option: {"check", "prepare"} for option in (EXTERNAL, BASELINE, PARTIAL, FROZEN)},
    NAN: {"prepare"},  # tests/preprocess has it
    MISSING: {"evaluate", "report", "compare"},  # of the run that REFUSED shows, which excluded a missing scan, too
    REPEATS: {"prepare"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return made_once(tmp_path_factory, "options", _make_world)


def _make_world(folder: Path) -> None:
    """Cohorts of phantoms: some with NaN, one that is cut, one that is not there; and runs of each kind on them."""
    scans, others = (load_cohort(phantom_cohort(12, seed)).scans for seed in (0, 1))
    good = [[scan.subject, scan.session, scan.label, scan.path] for scan in scans]
    cut, gone = (["x1", "1", "CN", "cut.nii.gz"], ["x2", "1", "AD", "gone.nii.gz"])
    (folder / "cut.nii.gz").write_bytes(scans[0].path.read_bytes()[:-100])
    nan = [[*row[:3], _with_nan(row[3], folder / f"nan{n}.nii.gz")] for n, row in enumerate(good[:2])] + good[2:]
    other = [[f"e{n}", "1", scan.label, scan.path] for n, scan in enumerate(others[:6])]
    shutil.copyfile(others[0].path, folder / "other0.nii.gz")
    other[0][3] = _with_nan(others[0].path, folder / "other_nan.nii.gz")
    tables = {
        **{"good": good, "nan": nan, "refused": [*good, cut], "missing": [*good, gone], "all": [*nan, cut, gone]},
        **{
            "few": [*good[5:7], cut, gone],
            "gone": [gone, [*gone[:1], "2", "CN", "gone2.nii.gz"]],
            "other": [*other, cut, gone],
        },
    }
    for name, rows in tables.items():
        with open(folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows([NAMES, *rows])
    numbers = np.random.default_rng(0).normal(0, 1, (len(good) + 1, 5)).tolist()
    with open(folder / "vectors.csv", "w", newline="") as file:
        rows = [[*row[:2], *vector] for row, vector in zip([*good, cut], numbers)]
        csv.writer(file).writerows([[*NAMES[:2], "v0", "v1", "v2", "v3", "v4"], *rows])
    _make_runs(folder)


def _with_nan(source: Path, path: Path) -> Path:
    """Saves a scan with NaN in place of the 0 beside the brain."""
    image = nibabel.load(source)
    data = image.get_fdata(dtype=np.float32)
    data[0] = np.nan
    nibabel.save(nibabel.Nifti1Image(data, image.affine), path)
    return path


def _make_runs(folder: Path) -> None:
    every = (on("all").format(w=folder), ZERO, "--allow-refused")
    commands = {
        "all": (*SHORT, *every),
        "baseline": ("--config=configs/baseline_brain_volume.py", *SMALL, *every),
        "repeats": (*SHORT, *PHANTOMS, "--config.train.repeats=2"),
        "partial": (*SHORT, *PHANTOMS, "--config.train.only_folds=0"),
    }
    for name, arguments in commands.items():
        done = main(*arguments, f"--workdir={folder / name}")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    shutil.copytree(folder / "partial", folder / "unscored")
    shutil.copytree(ROOT / "tests" / "frozen" / "v1" / "run", folder / "frozen")
    table = (f"--table={folder / 'other.csv'}", f"--out={folder / 'external'}", "--allow-refused")
    done = main("evaluate", f"--workdir={folder / 'all'}", *table)
    assert (done.returncode, done.stderr) == (0, "") and "going on without 2 of 8 scans" in done.stdout, done.stdout


def _named(cell: Cell):
    return pytest.param(cell, id=f"{cell.option}, {cell.verb}, {cell.code}")


@pytest.mark.parametrize("cell", [_named(cell) for cell in CELLS])
@pytest.mark.slow
def test_each_verb_knows_what_the_others_know(cell, world, tmp_path):
    if cell.verb == "prepare" and cell.code == 3:
        pytest.importorskip("SimpleITK")
    done = main(*(argument.format(w=world, tmp=tmp_path) for argument in cell.arguments))
    said = done.stdout if cell.code == 0 else done.stderr
    assert done.returncode == cell.code and cell.said.format(w=world, tmp=tmp_path) in " ".join(said.split()), (
        done.stderr + done.stdout
    )
    assert "no images" not in done.stdout


def test_no_cell_is_empty():
    for option in {cell.option for cell in CELLS}:
        tried = {cell.verb.split()[0] for cell in CELLS if cell.option == option}
        assert tried | NO_CELL.get(option, set()) | READS_NOTHING == set(VERBS), option
