"""`prepare`: a raw scan of which the truth is known, through the command line; what is done is done once."""

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from configs.base import paper
from dynjax.cohort.scan import Scan
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError, UsageError
from dynjax.files import lock
from dynjax.run.data import find_cohort
from dynjax.run.workdir import Workdir
from dynjax.verbs import prepare as verb
from dynjax.volumes.grid import Grid, fits
from dynjax.volumes.inspection import inspect_scan
from dynjax.volumes.nifti import load_volume
from tests.command import ROOT, anew, main

CONFIG = ("--config=configs/dyn_vgg11.py", "--config.cohort.labels=CN,AD")
GRID = Grid((55, 55, 55), 4.0)
ON_GRID = ("--config.volume.grid=55,55,55", "--config.volume.spacing=4")


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'dynjax\[preprocess\]'"):
        verb.prepare(FrozenConfigDict(paper()), tmp_path)


@pytest.mark.parametrize("out", [None, ROOT / "main.py", ROOT / "configs", Path("/dev/null/here")])
def test_a_folder_that_cannot_be_used_is_named_before_any_work(out, capsys):
    with pytest.raises(UsageError, match="--out="):
        verb.prepare(FrozenConfigDict(paper()), out)
    assert not capsys.readouterr().out


@pytest.fixture
def pretended(monkeypatch):
    """As if each scan were prepared, without SimpleITK; those whose subject is named in the list are refused."""
    refused = []

    def prepare_scan(scan, name, folder, reading):
        if scan.subject in refused:
            raise InputError(f"{scan.path}: refused: for a test")
        shutil.copyfile(scan.path, folder / f"{name}.nii.gz")
        return SimpleNamespace(
            about={"similarity": 0.9, "warnings": []}, volume=f"{name}.nii.gz", picture=f"qc/{name}.png", new=True
        )

    steps = SimpleNamespace(
        file_names=lambda scans: [scan.subject for scan in scans],
        names_of_files=lambda paths: [path.name.removesuffix(".nii.gz") for path in paths],
        prepare_scan=prepare_scan,
    )
    monkeypatch.setitem(sys.modules, "dynjax.preprocess.prepared", steps)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: steps)
    monkeypatch.setattr(verb, "version", lambda name: "1")
    return refused


def phantoms() -> FrozenConfigDict:
    config = paper()
    config.cohort.phantom.n = 12
    return FrozenConfigDict(config)


def test_the_table_keeps_every_column_and_what_is_synthetic(pretended, tmp_path):
    out = tmp_path / "new" / "out"
    verb.prepare(phantoms(), out)
    before, after = find_cohort(phantoms()), load_cohort(out)
    assert after.synthetic and json.loads((out / "prepare.json").read_text())["synthetic"]
    assert [scan._replace(path=None) for scan in after.scans] == [scan._replace(path=None) for scan in before.scans]
    assert all(scan.path.parent == out for scan in after.scans)


@pytest.mark.parametrize("width", [80, 100])
def test_what_is_printed_fits_the_terminal(width, pretended, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    verb.prepare(phantoms(), tmp_path / "out")
    lines = capsys.readouterr().out.splitlines()
    assert "12 SYNTHETIC subjects" in lines[0] or lines[0].startswith("SYNTHETIC: 12 subjects")  # as they are made
    assert lines[-2:] == ["next: dynjax train \\", f"    --config.cohort.table={tmp_path}/out/scans.csv"]
    assert all(len(line) <= width or "/" in max(line.split(), key=len) for line in lines)  # a path cannot be folded


CHOSEN = """
import json, sys
from dynjax import arguments, parsing

arguments.ARGV[:] = sys.argv
parsing.parse(arguments.VERBS, sys.argv)
print(json.dumps(arguments._chosen_config()))
"""


def test_the_next_command_trains_the_same_config_on_the_new_table(pretended, tmp_path, capsys):
    words = ["--config=best:skull", "--config.volume.grid=32,40,32", "--config.volume.spacing", "6.9"]
    words += ["--config.cohort.labels=CN,MCI", "--config.cohort.table=raw.csv", "--config.cohort.label_column=dx"]
    words += ["--config.train.stream"]
    program = [sys.executable, "-c", CHOSEN, "prepare", *words, "--out=o"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    chosen = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(done.stdout).items()
    }
    out = tmp_path / "a folder"
    verb.prepare(phantoms(), out, chosen=chosen)
    command = shlex.split(capsys.readouterr().out.partition("next: dynjax ")[2].replace("\\\n", ""))
    assert command[:2] == ["train", "--config=best:skull"] and "--config.train.stream=True" in command
    shown = json.loads(main("show", *command[1:-1], "--config.train.stream=False", command[-1]).stdout)
    assert shown["cohort"]["table"] == str(out / "scans.csv") and shown["cohort"]["label_column"] == ""
    assert shown["cohort"]["labels"] == ["CN", "MCI"] and shown["volume"]["grid"] == [32, 40, 32]


def test_refused_scans_are_named_once_the_others_are_done(pretended, tmp_path):
    cohort = find_cohort(phantoms())
    pretended += [cohort.scans[2].subject, cohort.scans[5].subject]
    with pytest.raises(InputError, match="2 of 12 scans are refused") as error:
        verb.prepare(phantoms(), tmp_path)
    assert str(cohort.scans[2].path) in str(error.value) and str(cohort.scans[5].path) in str(error.value)
    assert len((tmp_path / "scans.csv").read_text().splitlines()) == 1 + 10
    assert len(json.loads((tmp_path / "prepare.json").read_text())["refused"]) == 2


def test_a_folder_in_use_or_that_holds_the_scans_themselves_is_refused(pretended, tmp_path):
    verb.prepare(phantoms(), tmp_path)
    config = paper()
    config.cohort.table = str(tmp_path / "scans.csv")
    with pytest.raises(UsageError, match="that folder lists the raw scans"):
        verb.prepare(FrozenConfigDict(config), tmp_path)
    with lock(tmp_path / verb.LOCK), pytest.raises(UsageError, match=f"written by process {os.getpid()} on"):
        verb.prepare(phantoms(), tmp_path)
    assert (tmp_path / "scans.csv").exists()


def test_scans_without_labels_are_prepared_for_a_run_and_predicted_from_their_table(run, pretended, tmp_path, capsys):
    scans, raw, out = find_cohort(phantoms()).scans, tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    for number in (10, 9):
        shutil.copyfile(scans[number].path, raw / f"s{number}.nii.gz")
    (tmp_path / "more.csv").write_text("path\nraw/s9.nii.gz\n")
    verb.prepare(None, out, Workdir(run[0]), [str(raw)], str(tmp_path / "more.csv"))
    printed = capsys.readouterr().out
    assert printed.startswith(f"2 scans to prepare on the grid of {run[0]}, 32 x 32 x 32 voxels of 6.9 mm\n")
    command = printed.partition("next: dynjax ")[2].replace("\\\n", "")
    assert (out / "scans.csv").read_text() == f"path,source\ns9.nii.gz,{raw}/s9.nii.gz\ns10.nii.gz,{raw}/s10.nii.gz\n"
    report = json.loads((out / "prepare.json").read_text())
    assert report["workdir"] == str(run[0]) and report["parameters"]["shape"] == [32, 32, 32]
    done = main(*command.split())
    assert done.returncode == 0 and f"s9.nii.gz  in {out}  (" in done.stdout and "s10.nii.gz" in done.stdout
    assert main("predict", f"--workdir={run[0]}", out).stdout == done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--workdir={run}", "--out={tmp}/o"), 2, "prepare --workdir=...: needs scans"),
        (("--out={tmp}/o",), 2, "needs either --config=NAME, or --workdir=RUN"),
        (("--workdir={run}", "--config=configs/dyn_vgg11.py", "a.nii", "--out={tmp}/o"), 2, "needs either --config="),
        (("--config=configs/dyn_vgg11.py", "a.nii", "--out={tmp}/o"), 2, "name others with --workdir=RUN"),
        (("--config=configs/dyn_vgg11.py", "--table=a.csv", "--out={tmp}/o"), 2, "name others with --workdir=RUN"),
        (("--workdir={run}", "a.nii"), 2, "--out=DIR is needed"),
        (("--workdir=nowhere", "a.nii", "--out={tmp}/o"), 3, "nowhere: no such folder"),
        (("--workdir={run}", "{tmp}", "--out={tmp}/o"), 2, "o: lies in"),  # a second call would prepare its own files
    ],
)
def test_what_cannot_be_prepared_is_said_before_any_work(arguments, code, said, run, tmp_path):
    done = main("prepare", *(argument.format(run=run[0], tmp=tmp_path) for argument in arguments))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1) and said in done.stderr


def test_a_scan_in_the_folder_that_is_written_to_is_refused(run, pretended, tmp_path):
    verb.prepare(None, tmp_path, Workdir(run[0]), [str(find_cohort(phantoms()).scans[0].path)])
    with pytest.raises(UsageError, match="a scan to prepare; name another folder"):
        verb.prepare(None, tmp_path, Workdir(run[0]), [str(tmp_path)])


@pytest.mark.slow
def test_names_of_files_are_their_own_or_their_folders():
    pytest.importorskip("SimpleITK")
    from dynjax.preprocess.prepared import names_of_files

    paths = [Path(path) for path in ("a/T1.nii.gz", "b/t1.NII", "b/sub-1_T1w.nii.gz", "c d/x y.mgz")]
    assert names_of_files(paths) == ["a_T1_T1w", "b_t1_T1w", "sub-1_T1w", "x-y_T1w"]
    with pytest.raises(InputError, match=r"\n  a/T1\.nii\.gz\n  a/T1\.nii$"):
        names_of_files([*paths, Path("a/T1.nii")])


@pytest.mark.slow
def test_two_scans_that_would_share_a_file_are_named():
    pytest.importorskip("SimpleITK")
    from dynjax.preprocess.prepared import file_names

    scans = [Scan(subject, "m0", "CN", None) for subject in ("a b", "a?b", "c")]
    assert file_names(scans[1:]) == ["a-b_m0_T1w", "c_m0_T1w"]
    with pytest.raises(InputError, match=r"\n  a b, m0\n  a\?b, m0$"):
        file_names(scans)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A raw scan of a synthetic subject, one that is cut, and noise: (truth, arguments, folder)"""
    pytest.importorskip("SimpleITK")
    from benchmarks.preparation import write_table
    from benchmarks.raw_scans import raw_scan

    folder = tmp_path_factory.mktemp("raw")
    scan = raw_scan(0, coarser=1.5)
    table = write_table(folder, {"p0": scan})
    (folder / "cut.nii.gz").write_bytes((folder / "p0.nii.gz").read_bytes()[:-100])
    noise = np.random.default_rng(0).integers(0, 1000, (40, 45, 35)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(noise, np.diag([5.0, 5.0, 5.0, 1.0])), folder / "noise.nii.gz")
    other = {"CN": "AD", "AD": "CN"}[scan.label]
    with open(table, "a") as file:
        file.write(f"x1,bl,{other},cut.nii.gz,RAS\nx2,bl,{other},noise.nii.gz,RAS\n")
    arguments = (*CONFIG, *ON_GRID, f"--config.cohort.table={table}", f"--out={folder / 'out'}")
    done = anew("prepare", *arguments)
    assert done.returncode == 3 and "2 of 3 scans are refused" in done.stderr
    assert "cut.nii.gz: refused: truncated" in done.stderr
    assert "noise.nii.gz: refused: it cannot be registered" in done.stderr
    return scan, arguments, folder / "out"


@pytest.mark.slow
def test_the_affine_and_the_mask_are_those_of_the_truth(prepared):
    from benchmarks.preparation import accuracy

    scan, _, out = prepared
    report = json.loads((out / "prepare.json").read_text())
    volume = load_volume(out / "p0_bl_T1w.nii.gz")
    (about,) = report["scans"]
    mean, largest, dice = accuracy(scan, np.array(about["affine"]), volume.data > 0, GRID)
    assert mean < 1.0 and largest < 2.0 and dice > 0.96
    assert about["similarity"] > 0.8 and len(report["refused"]) == 2 and report["versions"]["SimpleITK"]


@pytest.mark.slow
def test_the_volume_is_what_the_next_verb_takes_as_it_is(prepared):
    scan, _, out = prepared
    image = nibabel.load(out / "p0_bl_T1w.nii.gz")
    volume = load_volume(out / "p0_bl_T1w.nii.gz", GRID)
    assert fits(image.shape, image.affine, GRID) and image.get_data_dtype() == np.int16
    assert inspect_scan(out / "p0_bl_T1w.nii.gz", GRID).verdict == "ok"
    assert volume.data[volume.data > 0].mean() == pytest.approx(1000, rel=0.01)
    header, row = (out / "scans.csv").read_text().splitlines()
    assert header == "subject,session,label,path,age,sex,site,acquired,scanner"
    assert row == f"p0,bl,{scan.label},p0_bl_T1w.nii.gz,,,,,PSR"
    assert (out / "qc" / "p0_bl_T1w.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_scan_without_a_label_is_prepared_as_one_with(prepared, tmp_path):
    """Resumed, refused and named as by --config, on the grid of a run."""
    _, _, out = prepared
    raw, config = out.parent, paper()
    config.update_from_flattened_dict({"volume.grid": GRID.shape, "volume.spacing": GRID.spacing})
    Workdir(tmp_path / "w").claim(FrozenConfigDict(config))
    arguments = (
        "prepare",
        f"--workdir={tmp_path / 'w'}",
        raw / "p0.nii.gz",
        raw / "cut.nii.gz",
        f"--out={tmp_path / 'o'}",
    )
    done = main(*arguments)
    assert done.returncode == 3 and "1 of 2 scans are refused" in done.stderr and "cut.nii.gz: refused" in done.stderr
    assert "1 scans prepared, 0 already there, 1 refused" in done.stdout
    assert (tmp_path / "o" / "p0_T1w.nii.gz").read_bytes() == (out / "p0_bl_T1w.nii.gz").read_bytes()
    assert (tmp_path / "o" / "qc" / "p0_T1w.png").exists()
    assert (tmp_path / "o" / "scans.csv").read_text() == f"path,source\np0_T1w.nii.gz,{raw}/p0.nii.gz\n"
    assert "0 scans prepared, 1 already there" in main(*arguments).stdout


@pytest.mark.slow
def test_what_is_done_is_not_done_again_unless_something_changed(prepared):
    _, arguments, out = prepared
    table = out.parent / "scans.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if "noise" not in line))  # which would be tried every time
    volume = out / "p0_bl_T1w.nii.gz"
    content, made = volume.read_bytes(), volume.stat().st_mtime_ns
    (out / ".partial-0.nii.gz").touch()  # as a killed process leaves it
    assert "0 scans prepared, 1 already there, 1 refused" in main("prepare", *arguments).stdout
    assert volume.stat().st_mtime_ns == made and not list(out.glob(".partial*"))
    volume.write_bytes(content[:-10])  # as a disk that filled up would leave it
    (out / "scans.csv").unlink()
    assert "1 scans prepared, 0 already there, 1 refused" in main("prepare", *arguments).stdout
    assert volume.read_bytes() == content and (out / "scans.csv").exists()
    finer = [argument.replace("spacing=4", "spacing=3.9") for argument in arguments]
    assert "1 scans prepared, 0 already there" in main("prepare", *finer).stdout
