"""predict refuses what is unlike the run's cohort, warns of what is doubtful, and says what the run is."""

import csv
import json
import shutil
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from dynjax.guard import deviation
from dynjax.run import scoring, verdicts
from dynjax.run.external import Table, evaluate_external
from dynjax.run.guarding import read_guard
from dynjax.run.workdir import Workdir
from dynjax.verbs import explain as explaining
from dynjax.verbs import predict as verb
from dynjax.verbs.train import train
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import load_volume
from tests.command import main

GRID = Grid((32, 32, 32), 6.9)


@pytest.fixture
def enough(monkeypatch):
    """Lets a cohort of twelve judge others."""
    for module in (deviation, verdicts):
        monkeypatch.setattr(module, "FEWEST", 10)


def scan_of(run):
    source = json.loads((run / "results.json").read_text())["cohort"]["source"]
    return min(Path(source).parent.rglob("*.nii.gz"))


def saved(folder, name, data, affine=GRID.affine):
    image = nibabel.Nifti1Image(np.asarray(data, np.float32), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, folder / f"{name}.nii.gz")
    return folder / f"{name}.nii.gz"


def predicted(run, scans, out, **options):
    """The rows of the table and of the file beside it; and what was raised, if anything."""
    error = None
    try:
        verb.predict(Workdir(run), [str(scan) for scan in scans], out, **options)
    except InputError as raised:
        error = str(raised)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    return rows, json.loads(out.with_suffix(".json").read_text()), error


CHANGES = {
    "noise": lambda v: np.random.default_rng(0).random(v.shape),
    "mask": lambda v: v > 0,
    "upside_down": lambda v: v[:, :, ::-1],
    "inverted": lambda v: v.max() - v,
    "half": lambda v: np.where(np.arange(32)[:, None, None] < 16, v, 0),
}


def test_unlike_scans_get_no_number_unless_that_is_allowed(run, tmp_path, enough, capsys):
    volume = load_volume(scan_of(run[0]), GRID).data
    scans = [saved(tmp_path, name, change(volume)) for name, change in CHANGES.items()]
    good = saved(tmp_path, "good", volume)
    rows, about, error = predicted(run[0], [good, *scans], tmp_path / "a.csv")
    assert [row["verdict"] for row in rows] == ["ok"] + ["refused"] * len(CHANGES)
    assert [row["probability"] == "" for row in rows] == [False] + [True] * len(CHANGES)
    assert "upside down" in rows[3]["reason"] and "--allow-unlike" in error and str(scans[2]) in error
    assert all(entry["p"] == pytest.approx(1 / 13) for entry in about["scans"][1:])
    assert about["scans"][0]["p"] > 1 / 13
    rows, about, error = predicted(run[0], [good, *scans], tmp_path / "b.csv", allow_unlike=True)
    assert [row["verdict"] for row in rows] == ["ok"] + ["warning"] * len(CHANGES)
    assert all(row["probability"] for row in rows) and error is None
    assert "upside down" in capsys.readouterr().out


def test_what_is_unlike_gets_no_map_either(run, tmp_path, enough):
    volume = load_volume(scan_of(run[0]), GRID).data
    good, noise = saved(tmp_path, "good", volume), saved(tmp_path, "noise", CHANGES["noise"](volume))
    workdir, out, both = Workdir(run[0]), tmp_path / "o", [str(good), str(noise)]
    with pytest.raises(InputError, match=r"noise\.nii\.gz: refused.*explain it all the same by --allow-unlike"):
        explaining.explain(workdir, both, "attention", out=out)
    assert [path.parent.name for path in out.glob("*/attribution.nii.gz")] == ["good"]
    explaining.explain(workdir, both, "attention", out=out, allow_unlike=True)
    assert len(list(out.glob("*/attribution.nii.gz"))) == 2


def test_a_file_of_unknown_orientation_is_answered_with_a_warning(run, tmp_path):
    scan = saved(tmp_path, "known", load_volume(scan_of(run[0]), GRID).data)
    image = nibabel.load(scan)
    plain = tmp_path / "unknown.nii"
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header), plain)
    content = bytearray(plain.read_bytes())
    struct.pack_into("<2h", content, 252, 0, 0)  # qform_code and sform_code
    plain.write_bytes(content)
    done = main("predict", f"--workdir={run[0]}", plain, f"--out={tmp_path / 'a.csv'}")
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader((tmp_path / "a.csv").read_text().splitlines())
    assert row["verdict"] == "warning" and "orientation is unknown" in row["reason"]
    assert "warning: " in done.stdout and "orientation is unknown" in done.stdout


def test_the_answers_say_what_the_run_is(run, tmp_path):
    scan = scan_of(run[0])
    done = main("predict", f"--workdir={run[0]}", scan, f"--out={tmp_path / 'a.csv'}")
    about = json.loads((tmp_path / "a.json").read_text())["about"]
    results = json.loads((run[0] / "results.json").read_text())
    assert f"SYNTHETIC: trained on {results['n_subjects']} subjects (CN and AD) of" in done.stdout
    assert ", none of whom exists, finished 20" in done.stdout
    assert "12 scans are too few to judge others by" in done.stdout and about["guard"] in done.stdout
    assert about["synthetic"] is True and about["roc_auc"] == results["metrics"]["roc_auc"]
    at_chance = results["metrics"]["roc_auc"]["ci95"][0] <= 0.5
    assert about["at_chance"] is at_chance and ("at chance level" in done.stdout) is at_chance


def test_a_run_without_a_reference_says_so_and_evaluate_makes_one(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "w")
    expected = {path.name: path.read_bytes() for path in (run[0] / "reference").iterdir()}
    shutil.rmtree(tmp_path / "w" / "reference")
    done = main("predict", f"--workdir={tmp_path / 'w'}", scan_of(run[0]))
    assert done.returncode == 0 and "not checked against its cohort" in done.stdout
    assert main("evaluate", f"--workdir={tmp_path / 'w'}").returncode == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "w" / "reference").iterdir()} == expected


@pytest.mark.parametrize("step", ["keep_reference", "write_answers"])
def test_a_run_that_ends_after_either_step_of_its_evaluation_is_whole_when_trained_again(
    run, tmp_path, monkeypatch, step
):
    shutil.copytree(run[0], tmp_path / "w")
    shutil.rmtree(tmp_path / "w" / "reference")
    (tmp_path / "w" / "results.json").unlink()
    real, workdir = getattr(scoring, step), Workdir(tmp_path / "w")

    def end(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(scoring, step, end)
        train(workdir.read_config(), workdir)
    train(workdir.read_config(), workdir)
    assert workdir.results.exists()
    for path in (run[0] / "reference").iterdir():
        assert (workdir.reference / path.name).read_bytes() == path.read_bytes()


def test_an_external_cohort_is_scored_whole_and_without_its_unlike_scans(run, tmp_path, enough, capsys):
    scans = load_cohort(phantom_cohort(12, 1, False, ("CN", "AD"))).scans[:6]
    volumes = [load_volume(scan.path, GRID).data for scan in scans]
    volumes[2] = volumes[2][:, :, ::-1]
    paths = [saved(tmp_path, f"e{i}", volume) for i, volume in enumerate(volumes)]
    lines = [f"e{i},1,{scan.label},{path}" for i, (scan, path) in enumerate(zip(scans, paths))]
    table = tmp_path / "other.csv"
    table.write_text("\n".join(["subject,session,label,path", *lines]) + "\n")
    evaluate_external(Workdir(run[0]), Table(str(table)), tmp_path / "o", ())
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    kept = _rows(tmp_path / "o" / "likeness.csv")
    assert results["n_subjects"] == 6 and [row["subject"] for row in kept if row["verdict"] == "refused"] == ["e2"]
    assert "upside down" in kept[2]["reason"]
    like = results["external"]["likeness"]
    assert like["verdicts"]["refused"] == 1
    assert like["without_unlike"]["n_subjects"] == sum(row["verdict"] == "ok" for row in kept)
    assert "without the unlike scans" in capsys.readouterr().out


def test_a_network_that_is_gone_is_named(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "w")
    shutil.rmtree(tmp_path / "w" / "checkpoints" / "fold_1")
    done = main("predict", f"--workdir={tmp_path / 'w'}", scan_of(run[0]))
    assert done.returncode == 3 and "fold 1, whose network is gone" in done.stderr
    assert main("evaluate", f"--workdir={tmp_path / 'w'}", "--finished-folds").returncode == 0
    assert main("predict", f"--workdir={tmp_path / 'w'}", scan_of(run[0])).returncode == 0


@pytest.mark.parametrize("name", ["reference.json", "fold_1.npz"])
@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_damaged_reference_is_named(run, tmp_path, name, damage):
    shutil.copytree(run[0] / "reference", tmp_path / "w" / "reference")
    path = tmp_path / "w" / "reference" / name
    if damage == "removed":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    if (name, damage) == ("reference.json", "removed"):
        assert read_guard(Workdir(tmp_path / "w")) is None
    else:
        with pytest.raises(InputError, match="run evaluate"):
            read_guard(Workdir(tmp_path / "w"))


def test_the_mean_volumes_are_of_the_training_scans_alone(run):
    """Fold by fold, of either class, they are means of what was scaled; the fold's own scans are not in them."""
    folds = {(row["subject"], row["session"]): int(row["fold"]) for row in _rows(run[0] / "folds.csv")}
    labels = {(row["subject"], row["session"]): row["label"] for row in _rows(run[0] / "predictions.csv")}
    paths = _paths(run[0])
    for fold in (0, 2):
        with np.load(run[0] / "reference" / f"fold_{fold}.npz") as kept:
            for target, label in enumerate(("CN", "AD")):
                others = [scan for scan, own in folds.items() if own != fold and labels[scan] == label]
                expected = np.mean([_scaled(load_volume(paths[scan], GRID).data) for scan in others], axis=0)
                np.testing.assert_allclose(kept[f"mean_{target}"], expected, atol=2e-4)


def _rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def _paths(run):
    from dynjax.run.data import find_cohort

    cohort = find_cohort(Workdir(run).read_config())
    return {(scan.subject, scan.session): scan.path for scan in cohort.scans}


def _scaled(volume):
    low, high = volume.min(), np.percentile(volume, 99)
    return np.clip((volume - low) / (high - low), 0, 4)
