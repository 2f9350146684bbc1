"""`check`, and what `train` does with scans that are refused: all named at once, never left out unasked."""

import csv
import json
import os
import shutil

import nibabel
import numpy as np
import pytest
from ml_collections import ConfigDict

from configs.base import experiment
from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from dynjax.projection.store import Projection, project_cohort
from dynjax.run import checking, settings
from dynjax.run.checking import check_first
from dynjax.run.data import find_cohort, find_folds, keep_folds
from dynjax.run.refused import keep_refused, without_refused
from dynjax.run.workdir import Workdir
from dynjax.volumes.grid import Grid
from tests.command import TINY, anew, main
from tests.verbs.test_run import rows


@pytest.fixture
def cohort(tmp_path):
    """12 phantom scans in one folder as 00.nii.gz, 01.nii.gz .. beside a table; (arguments, folder)"""
    folder = tmp_path / "scans"
    folder.mkdir()
    source = phantom_cohort(12)
    files = {path.parent.name: path for path in source.rglob("*.nii.gz")}
    first = {row["Subject"]: row for row in rows(source / "collection.csv") if row["Visit"] == "bl"}
    with open(folder / "scans.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "session", "label", "path"])
        for number, (subject, row) in enumerate(sorted(first.items())):
            shutil.copyfile(files[row["Image Data ID"]], folder / f"{number:02d}.nii.gz")
            writer.writerow([subject, "bl", row["Group"], f"{number:02d}.nii.gz"])
    return (*TINY, f"--config.cohort.table={folder}"), folder


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def with_nan(path, where):
    image = nibabel.load(path)
    data = image.get_fdata(dtype=np.float32)
    data[where] = np.nan
    nibabel.save(nibabel.Nifti1Image(data, image.affine), path)


def test_a_verdict_for_every_scan(cohort, tmp_path):
    arguments, folder = cohort
    out = tmp_path / "new" / "verdicts.json"
    cut(folder / "03.nii.gz")
    with_nan(folder / "05.nii.gz", np.s_[0])
    with open(folder / "07.nii.gz", "ab") as file:
        file.write(b"end")
    done = anew("check", *arguments, f"--out={out}")
    assert done.returncode == 3 and done.stderr == "2 of 12 scans are refused\n"
    assert "9 ok, 1 warning, 2 refused" in done.stdout and "00.nii.gz" not in done.stdout
    lines = done.stdout.splitlines()
    assert any("03.nii.gz" in line and "truncated" in line and "copy or download" in line for line in lines)
    answers = json.loads(out.read_text())
    assert [answer["path"] for answer in answers] == [str(folder / f"{n:02d}.nii.gz") for n in range(12)]
    assert all(list(answer) == ["path", "verdict", "reason", "remedy"] for answer in answers)
    assert [answer["verdict"] for answer in answers[:8]] == ["ok"] * 3 + ["refused", "ok", "refused", "ok", "warning"]
    assert "12100 of its voxels are NaN" in answers[5]["reason"] and "volume.nan=zero" in answers[5]["remedy"]

    done = main("check", *arguments, "--config.volume.nan=zero")
    assert done.returncode == 3 and "1 of 12 scans are refused" in done.stderr
    assert "12100 of its voxels, outside the brain, are NaN and read as 0" in done.stdout


def test_an_answer_that_cannot_be_written_is_named_before_any_work():
    done = main("check", *TINY, "--out=/dev")
    assert done.returncode == 2 and "--out=/dev: cannot be written" in done.stderr and not done.stdout


def test_train_goes_on_without_refused_scans_only_if_told_to(run, cohort, tmp_path):
    """And then as if they had never been in the table."""
    arguments, folder = cohort
    workdir = tmp_path / "w"
    (folder / "cut.nii.gz").write_bytes((folder / "03.nii.gz").read_bytes()[:-100])
    (folder / "text.nii.gz").write_text("no scan")
    with open(folder / "scans.csv", "a") as file:
        file.write("x1,bl,CN,cut.nii.gz\nx2,bl,AD,text.nii.gz\nx3,bl,AD,gone.nii.gz\nx4,bl,,00.nii.gz\n")
    done = main(*arguments, f"--workdir={workdir}")
    assert done.returncode == 3 and "4 of 16 scans cannot be used" in done.stderr and "--allow-refused" in done.stderr
    assert "cut.nii.gz" in done.stderr and "text.nii.gz" in done.stderr
    assert not list(workdir.glob("[!.]*")), "nothing but locks"

    done = main(*arguments, f"--workdir={workdir}", "--allow-refused")
    assert (done.returncode, done.stderr) == (0, "") and "going on without 4 of 16 scans" in done.stdout
    cohort = json.loads((workdir / "results.json").read_text())["cohort"]
    excluded = {f"refused: {kind}": 1 for kind in ("truncated", "not an image", "missing", "bad row")}
    excluded["later visit of a subject"] = 0
    assert cohort["excluded"] == excluded and cohort["n_scans"] == 12
    for name in ("folds.csv", "predictions.csv"):
        ours, theirs = ([row | {"session": ""} for row in rows(where / name)] for where in (workdir, run[0]))
        assert ours == theirs
    (workdir / "results.json").unlink()
    assert main("evaluate", f"--workdir={workdir}").returncode == 0
    assert json.loads((workdir / "results.json").read_text())["cohort"] == cohort


def test_folds_that_stand_are_not_changed_by_a_scan_that_is_refused_or_mended(cohort, tmp_path):
    config = ConfigDict(experiment({"model.name": "alexnet"}, "", 1))
    config.update_from_flattened_dict({"cohort.table": str(cohort[1]), "train.folds": 2})
    config, workdir, folder = settings.resolve(config), Workdir(tmp_path / "w"), cohort[1]

    def begin() -> int:
        """What `train` does before it trains; returns the number of scans."""
        kept, refused = check_first(config, workdir, find_cohort(config), allow_refused=True)
        folds = find_folds(config, workdir, kept)
        workdir.claim(config)
        keep_refused(workdir, refused)
        keep_folds(workdir, kept, folds)
        return len(folds)

    whole = (folder / "03.nii.gz").read_bytes()
    cut(folder / "03.nii.gz")
    assert (
        begin() == begin() == len(rows(workdir.folds)) == len(without_refused(workdir, find_cohort(config)).scans) == 11
    )
    folds = workdir.folds.read_bytes()
    (folder / "03.nii.gz").write_bytes(whole)
    with pytest.raises(InputError, match=r"folds\.csv: .*--workdir:\n  refused then and good now: subject"):
        begin()
    cut(folder / "03.nii.gz")
    cut(folder / "04.nii.gz")
    with pytest.raises(InputError, match=r"--workdir:\n  refused now: subject [^\n]*truncated$"):
        begin()
    assert workdir.folds.read_bytes() == folds
    workdir.refused.write_text("garbage")
    with pytest.raises(InputError, match=r"refused\.csv: damaged"):
        without_refused(workdir, find_cohort(config))


def test_refused_scans_of_a_run_that_was_killed_before_its_folds_are_forgotten(tmp_path):
    workdir = Workdir(tmp_path)
    keep_refused(workdir, {("s1", "1"): "truncated"})
    keep_refused(workdir, {})
    assert not workdir.refused.exists()


def test_what_is_known_to_be_good_is_not_read_again(cohort, tmp_path, monkeypatch):
    """Until a file is written to, or what is known is lost: a stored image says nothing of its scan's doubts."""
    monkeypatch.setenv("DYNJAX_CACHE", str(tmp_path / "cache"))
    _, folder = cohort
    read = []
    inspect = checking.inspect_scan
    monkeypatch.setattr(checking, "inspect_scan", lambda path, *how: read.append(path.name) or inspect(path, *how))
    scans, projection = load_cohort(folder), Projection(Grid((32, 32, 32), 6.9))
    assert len(checking.inspect_unknown(scans, projection)) == len(read) == 12
    read.clear()
    again = checking.inspect_unknown(scans, projection)
    assert read == [] and len(again) == 12 and all(found.verdict == "ok" for found in again.values())
    os.utime(folder / "05.nii.gz")
    checking.inspect_unknown(scans, projection)
    assert read == ["05.nii.gz"]
    read.clear()
    checking.inspect_unknown(scans, projection._replace(nan="zero"))
    assert len(read) == 12
    read.clear()

    project_cohort([scan.path for scan in scans.scans], projection)
    for memory in (tmp_path / "cache" / "checked").iterdir():
        memory.write_text("garbage")
    assert len(checking.inspect_unknown(scans, projection)) == len(read) == 12
