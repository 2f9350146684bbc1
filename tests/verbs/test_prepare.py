"""`prepare`: a raw scan of which the truth is known, through the command line; what is done is done once."""

import importlib.util
import json
import os
import shutil
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

    steps = SimpleNamespace(file_names=lambda scans: [scan.subject for scan in scans], prepare_scan=prepare_scan)
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
