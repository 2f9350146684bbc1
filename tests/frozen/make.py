"""Makes the run that later versions must still read: python -m tests.frozen.make FOLDER, once a release.

A tiny AlexNet on twelve phantoms; of every array but the small ones the largest three in a thousand values are kept, so
that it is small. `answers.csv` is what this version predicts for `scan.nii.gz`.
"""

import json
import shutil
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import nibabel
import numpy as np

from dynjax.models.build import build_classifier
from dynjax.run import settings
from dynjax.run.trained import load_trained
from dynjax.training import checkpoint
from dynjax.training.step import TrainState
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import load_volume
from tests.command import PHANTOMS, TINY, main

KEPT = 0.003


def make(folder: Path) -> None:
    run = folder / "run"
    assert main(*TINY, *PHANTOMS, f"--workdir={run}").returncode == 0
    for fold in (run / "checkpoints").iterdir():
        prune(fold)
    assert main("evaluate", f"--workdir={run}").returncode == 0
    for lock in run.glob(".*.lock"):
        lock.unlink()
    results = json.loads((run / "results.json").read_text())
    scan = next(Path(results["cohort"]["source"]).parent.rglob("*.nii.gz"))
    results["cohort"]["source"] = "phantoms"  # no path of the machine that made it
    (run / "results.json").write_text(json.dumps(results, indent=2))
    volume = load_volume(scan, Grid((32, 32, 32), 6.9))
    nibabel.save(nibabel.Nifti1Image(np.round(volume.data).astype(np.int16), volume.affine), folder / "scan.nii.gz")
    done = main("predict", f"--workdir={run}", folder / "scan.nii.gz", f"--out={folder / 'answers.csv'}")
    assert done.returncode == 0, done.stderr
    answers = (folder / "answers.csv").read_text().replace(str(folder / "scan.nii.gz"), "scan.nii.gz")
    (folder / "answers.csv").write_text(answers)


def prune(fold: Path) -> None:
    path = checkpoint.latest(fold)
    about, config = checkpoint.read_about(path), load_trained(path).config
    network = jax.tree.map(pruned, checkpoint.load_network(path, *shapes(config)))
    shutil.rmtree(fold)
    kept = {key: value for key, value in about.items() if key not in ("schema", "epoch", "arrays", "files")}
    fold.mkdir()
    path = checkpoint.save(fold, TrainState(jnp.int32(0), *network, ()), about["epoch"], kept, keep_optimizer=False)
    (path / "commit_success.txt").write_text("Checkpoint commit was successful")  # names no machine
    about = checkpoint.read_about(path) | {"files": checkpoint._digests(path)}
    path.with_suffix(".json").write_text(json.dumps({"sha256": checkpoint._digest(about), "about": about}) + "\n")


def pruned(array):
    if array.size < 1000:
        return array
    least = np.quantile(np.abs(array), 1 - KEPT)
    return jnp.where(jnp.abs(array) >= least, array, 0)


def shapes(config):
    network = build_classifier(config.model.name, settings.input_size(config), settings.network_options(config))
    return jax.eval_shape(lambda: network.init(jax.random.key(0)))


if __name__ == "__main__":
    make(Path(sys.argv[1]).absolute())
