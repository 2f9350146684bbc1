"""A 3D network on volumes that are read from the store while it trains: the answers of one that has them in memory."""

import csv
import os
import runpy
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from dynjax.errors import UsageError
from dynjax.experiment import data, settings
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


def test_volumes_that_are_more_than_memory_are_named(monkeypatch):
    config = settings.resolve(runpy.run_path(str(ROOT / "configs" / "vgg3d.py"))["get_config"]())
    many = data.Data(config, SimpleNamespace(scans=[SimpleNamespace(path="scan.nii.gz")] * 500), *[np.zeros(500)] * 3)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**18}.__getitem__)
    with pytest.raises(UsageError, match=r"500 volumes take 2 GiB of the 1 that there are: --config.train.stream=True"):
        many.images(np.ones(500, bool))
