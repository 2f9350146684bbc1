"""A 3D network on volumes that are read from the store while it trains: the answers of one that has them in memory."""

import csv
import importlib.util
import runpy
import signal
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

from dynjax.errors import InputError, UsageError
from dynjax.run import data, settings
from dynjax.volumes.digests import content_digest
from tests.command import PHANTOMS, ROOT, interrupt, main

RUN = (
    "--config=configs/resnet3d.py",
    "--config.volume.grid=49,49,49",
    "--config.volume.spacing=4.5",
    "--config.train.epochs=1",
    "--config.train.folds=2",
    "--config.train.batch_size=2",
    "--config.cohort.phantom.n=8",
)
STREAM = "--config.train.stream=True"


def answers(workdir):
    with open(workdir / "predictions.csv", newline="") as file:
        return np.array([float(row["probability"]) for row in csv.DictReader(file)])


@pytest.mark.slow
def test_streamed_volumes_give_the_answers_of_those_in_memory(tmp_path):
    done = main(*RUN, f"--workdir={tmp_path / 'memory'}")
    assert done.returncode == 0, done.stderr

    def within_the_first_epoch():
        return (tmp_path / "stream" / "checkpoints").exists()

    code = interrupt(signal.SIGTERM, within_the_first_epoch, *RUN, STREAM, f"--workdir={tmp_path / 'stream'}")
    assert code in (0, 75)
    done = main(*RUN, STREAM, f"--workdir={tmp_path / 'stream'}")
    assert done.returncode == 0 and "filling the store" in done.stdout, done.stderr
    np.testing.assert_array_equal(answers(tmp_path / "stream"), answers(tmp_path / "memory"))


def test_where_it_cannot_be_used():
    for model in ("--config=configs/dyn_alexnet.py", "--config=configs/patches3d.py"):
        done = main(model, *PHANTOMS, STREAM)
        assert done.returncode == 2 and "train.stream=True" in done.stderr


def cohort_of(name, tmp_path):
    """Of so many scans that they do not fit in memory, were they not one file."""
    config = settings.resolve(runpy.run_path(str(ROOT / "configs" / f"{name}.py"))["get_config"]())
    path = tmp_path / "scan.nii"
    voxels = np.resize([0, 0, 2], (110,) * 3).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, settings.projection_of(config).grid.affine), path)
    scans = SimpleNamespace(scans=[SimpleNamespace(path=path)] * 500)
    return data.Data(config, scans, np.zeros(500), np.zeros(500), [content_digest(path)] * 500)


@pytest.fixture
def a_gibibyte(monkeypatch):
    monkeypatch.setattr(data, "usable_memory", lambda: 2**30)


def test_volumes_that_are_more_than_memory_are_streamed(tmp_path, monkeypatch, capsys, a_gibibyte):
    images = cohort_of("vgg3d", tmp_path).images(np.ones(500, bool))
    assert "500 volumes take 2 GiB of memory, of 1: they are read from the store" in capsys.readouterr().out
    assert len(images) == 500 and images[7].shape == (110, 110, 110, 1) and set(np.unique(images[7])) == {0, 1}
    assert isinstance(cohort_of("vgg3d", tmp_path).images(np.arange(500) < 2), np.ndarray)


def test_where_that_cannot_be_it_says_so(tmp_path, monkeypatch, a_gibibyte):
    with pytest.raises(UsageError, match="patches3d needs all of them in memory"):
        cohort_of("patches3d", tmp_path).images(np.ones(500, bool))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "grain" else find_spec(name))
    with pytest.raises(UsageError, match=r"pip install 'dynjax\[stream\]'"):
        cohort_of("vgg3d", tmp_path).images(np.ones(500, bool))


def test_a_scan_that_has_changed_is_not_taken_for_what_it_was(tmp_path):
    cohort = cohort_of("vgg3d", tmp_path)
    streamed = data.Streamed(cohort.config, [cohort.cohort.scans[0].path], ["0" * 64], "float32")
    with pytest.raises(InputError, match="has changed while it was used"):
        streamed[0]
