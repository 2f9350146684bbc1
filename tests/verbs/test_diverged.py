"""A network whose parameters are no numbers: no verb gives its answers, and nothing is written over what was there."""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.errors import DynjaxError
from dynjax.run import settings
from dynjax.run.answers import write_answers
from dynjax.run.baseline import _unavailable
from dynjax.run.data import Data
from dynjax.run.trained import Trained, _network, load_trained
from dynjax.run.workdir import Workdir
from dynjax.training import checkpoint
from dynjax.training.step import TrainState
from tests.command import main
from tests.datasets import write_tsv


@pytest.fixture(scope="module")
def diverged(run, tmp_path_factory):
    """A finished run, one of whose networks has a NaN among its parameters: earlier versions saved such."""
    workdir = Workdir(shutil.copytree(run[0], tmp_path_factory.mktemp("diverged") / "w"))
    path = checkpoint.latest(workdir.fold(1))
    about, config = checkpoint.read_about(path), load_trained(path).config
    shapes, _ = _network(config.model.name, settings.input_size(config), settings.network_options(config))
    params, batch_stats = checkpoint.load_network(path, *shapes)
    leaves, structure = jax.tree.flatten(params)
    params = jax.tree.unflatten(structure, [jnp.full_like(leaf, np.nan) for leaf in leaves])
    kept = {key: value for key, value in about.items() if key not in ("schema", "epoch", "arrays", "files")}
    state = TrainState(jnp.int32(0), params, batch_stats, ())
    checkpoint.save(workdir.fold(1), state, about["epoch"], kept, keep_optimizer=False)
    return workdir


@pytest.mark.parametrize("verb", ["evaluate", "predict", "evaluate --table"])
def test_no_verb_answers_by_it(verb, diverged, tmp_path):
    scans = load_cohort(phantom_cohort(12, 1, False, ("CN", "AD"))).scans[:4]
    lines = [[f"e{i}", "1", scan.label, str(scan.path)] for i, scan in enumerate(scans)]
    table = write_tsv(tmp_path / "t.csv", ["subject", "session", "label", "path"], lines)
    arguments = {
        "evaluate": ("evaluate",),
        "predict": ("predict", scans[0].path, f"--out={tmp_path / 'p.csv'}"),
        "evaluate --table": ("evaluate", f"--table={table}", f"--out={tmp_path / 'o'}"),
    }[verb]
    before = diverged.results.read_bytes(), diverged.predictions.read_bytes()
    done = main(*arguments, f"--workdir={diverged}")
    assert done.returncode == 1 and "(NaN)" in done.stderr and len(done.stderr.splitlines()) == 1
    assert (diverged.results.read_bytes(), diverged.predictions.read_bytes()) == before
    assert not (tmp_path / "p.csv").exists() and not (tmp_path / "o" / "results.json").exists()


def test_answers_of_anything_are_looked_at_before_they_are_written(run, tmp_path):
    """Also those of a baseline; a fold that has no network has no answers, and none are asked of it."""
    config = Workdir(run[0]).read_config()
    cohort = load_cohort(phantom_cohort(12, 0, False, ("CN", "AD")))
    workdir, folds = Workdir(tmp_path), np.arange(len(cohort.scans)) % 3
    data = Data(config, cohort, np.array(cohort.targets), folds, [])
    about = {"epoch": None, "train_seconds": 1.0, "weights": {"pretrained": False, "source": "s", "sha256": None}}
    trained = {fold: Trained(_unavailable, config, about, 1) for fold in (0, 1)}
    shutil.copy(run[0] / "folds.csv", workdir.folds)
    probabilities = np.where(folds == 2, np.nan, 0.5)
    write_answers(workdir, data, trained, probabilities)
    assert json.loads(workdir.results.read_text())["folds_missing"] == [2]
    workdir.results.unlink()
    with pytest.raises(DynjaxError, match="1 of 8 scans got no number"):
        write_answers(workdir, data, trained, np.where(np.arange(len(folds)) == 3, np.nan, probabilities))
    assert not Path(workdir.results).exists()
