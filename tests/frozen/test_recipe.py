"""A run without `volume.recipe` goes on with the first, by which its scans were read, whatever a config says today."""

import csv
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from dynjax.training import checkpoint
from dynjax.volumes.grid import Grid
from tests.command import PHANTOMS, TINY, main
from tests.datasets import write_tsv
from tests.together import contents, made_once

GRID = Grid((32, 32, 32), 6.9)
QUICK = (*TINY, *PHANTOMS, "--config.train.epochs=1", "--config.train.learning_rate=0.001")


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    return made_once(tmp_path_factory, "run_of_recipe_1", _make) / "run"


@pytest.fixture
def run(old, tmp_path) -> Path:
    return shutil.copytree(old, tmp_path / "run")


def _make(folder: Path) -> None:
    """Makes a run as one of before: it reads by recipe 1 and names none, in config.json and in every checkpoint."""
    run = folder / "run"
    assert main("train", *QUICK, "--config.volume.recipe=1", f"--workdir={run}").returncode == 0
    config = json.loads((run / "config.json").read_text())
    assert config["volume"].pop("recipe") == 1
    (run / "config.json").write_text(json.dumps(config))
    for file in (run / "checkpoints").rglob("epoch_*.json"):
        about = json.loads(file.read_text())["about"]
        assert about["config"]["volume"].pop("recipe") == 1
        file.write_text(json.dumps({"sha256": checkpoint._digest(about), "about": about}) + "\n")


def moved_scans(folder: Path) -> list[Path]:
    """Writes scans on the grid but for their origin: recipe 1 takes them as they lie, recipe 2 does not."""
    affine, places = GRID.affine, np.indices(GRID.shape) - 15.5
    affine[0, 3] += 2.5 * GRID.spacing
    paths = []
    for seed in range(6):
        radius = np.linalg.norm(places, axis=0) + np.random.default_rng(seed).normal(0, 1, GRID.shape)
        paths.append(folder / f"moved{seed}.nii.gz")
        nibabel.save(
            nibabel.Nifti1Image(np.where(radius < 9 + seed, 900 - 50 * radius, 0).astype(np.int16), affine), paths[-1]
        )
    return paths


def with_affine(path: Path, affine: np.ndarray) -> Path:
    new = path.with_name("back_" + path.name)
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(nibabel.load(path).dataobj), affine), new)
    return new


def probabilities(path: Path) -> list[float]:
    rows = csv.DictReader(path.read_text().splitlines())
    return [float(row["probability"]) for row in sorted(rows, key=lambda row: row.get("subject") or row["path"])]


def test_training_again_finds_it_done_and_goes_on_where_a_fold_is_missing(run):
    done = main("train", *QUICK, f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    assert "goes on with volume.recipe=1" in done.stdout and "nothing to do" in done.stdout
    before = contents(run)
    shutil.rmtree(run / "checkpoints" / "fold_1")
    done = main("train", *QUICK, f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    assert {"config.json", "folds.csv", "predictions.csv"} <= {
        f for f, digest in contents(run).items() if before.get(f) == digest
    }


def test_a_recipe_that_is_asked_for_is_another_config_than_a_run_of_the_other(run, old):
    done = main("train", *QUICK, f"--workdir={run}", "--config.volume.recipe=1")
    assert done.returncode == 0 and "nothing to do" in done.stdout and "goes on" not in done.stdout
    config = json.loads((run / "config.json").read_text())
    config["volume"]["recipe"] = 2
    (run / "config.json").write_text(json.dumps(config))
    done = main("train", *QUICK, f"--workdir={run}", "--config.volume.recipe=1")
    assert done.returncode == 2 and "volume.recipe: 2 there, 1 here" in done.stderr


def test_it_is_evaluated_audited_and_reported_as_it_was(run, old):
    """The phantoms' voxels of 2 mm become larger ones: the recipes read them differently."""
    done = main("evaluate", f"--workdir={run}")
    assert done.returncode == 0, done.stderr
    assert (run / "predictions.csv").read_bytes() == (old / "predictions.csv").read_bytes()
    config = json.loads((run / "config.json").read_text())
    for file in (run / "checkpoints").rglob("epoch_*.json"):
        about = json.loads(file.read_text())["about"]
        about["config"]["volume"]["recipe"] = 2
        file.write_text(json.dumps({"sha256": checkpoint._digest(about), "about": about}) + "\n")
    config["volume"]["recipe"] = 2
    (run / "config.json").write_text(json.dumps(config))
    assert main("evaluate", f"--workdir={run}").returncode == 0
    assert probabilities(run / "predictions.csv") != probabilities(old / "predictions.csv")


def test_it_is_audited_and_reported(run):
    done = main("audit", *QUICK, f"--workdir={run}")
    assert done.returncode == 0 and "goes on with volume.recipe=1" in done.stdout and "no leak" in done.stdout
    assert main("report", f"--workdir={run}").returncode == 0


def test_it_answers_new_scans_and_another_cohort_by_its_own_recipe(run, tmp_path):
    """Moved or not, a scan of the grid's shape has one answer, from `predict` and from `evaluate --table`."""
    paths, out, other = moved_scans(tmp_path), tmp_path / "answers.csv", tmp_path / "other"
    back = [with_affine(path, GRID.affine) for path in paths]
    done = main("predict", f"--workdir={run}", "--allow-unlike", *back, *paths, f"--out={out}")
    assert done.returncode == 0, done.stderr
    answers = probabilities(out)
    assert answers[: len(paths)] == answers[len(paths) :] and len(set(answers)) > 3
    listed = [[f"S{i}", "bl", ("CN", "AD")[i % 2], path.name] for i, path in enumerate(paths)]
    table = write_tsv(tmp_path / "table.csv", ["subject", "session", "label", "path"], listed)
    for _ in range(2):  # the second time into the folder that is there, as one of before
        done = main("evaluate", f"--workdir={run}", f"--table={table}", f"--out={other}")
        assert done.returncode == 0, done.stderr
        about = json.loads((other / "external.json").read_text())
        assert about["config"]["volume"].pop("recipe") == 1
        (other / "external.json").write_text(json.dumps(about))
    np.testing.assert_allclose(probabilities(other / "predictions.csv"), answers[: len(paths)], atol=2e-6)
