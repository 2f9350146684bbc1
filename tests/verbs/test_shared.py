"""One workdir, several processes: no fold is trained twice at a time, and one of those that find all done evaluates."""

import os
import shutil
from pathlib import Path

import pytest
from ml_collections import FrozenConfigDict

from configs.base import paper
from dynjax.errors import UsageError
from dynjax.run.workdir import Workdir
from tests.command import PHANTOMS, TINY, main, start

RUN = (*TINY, *PHANTOMS)


def test_a_fold_that_another_process_trains_is_refused_at_once(tmp_path):
    """Before anything is read: the scan table is not even there. A run of folds 0 and 2 is one of fold 0 too."""
    arguments = (*TINY, "--config.cohort.table=nowhere.csv", f"--workdir={tmp_path}")
    with Workdir(tmp_path).lock_folds([0]):
        done = main(*arguments, "--config.train.only_folds=2,0")
    holder = f"process {os.getpid()} on {os.uname().nodename}"
    assert done.returncode == 2 and f"fold 0 is being trained by {holder}; wait for its end" in done.stderr
    assert main(*arguments).returncode == 3, "its end frees the fold"


def test_other_folds_are_free_and_a_refusal_gives_back_what_it_had(tmp_path):
    first, second = Workdir(tmp_path), Workdir(tmp_path)
    with first.lock_folds([3]):
        with pytest.raises(UsageError, match="fold 3"), second.lock_folds([0, 3]):
            pass
        with second.lock_folds([0, 1, 2, 4]), pytest.raises(UsageError, match="fold 1"), first.lock_folds([1]):
            pass


def test_two_configs_cannot_claim_one_workdir_between_check_and_claim(tmp_path):
    first, second = paper(), paper()
    second.seed = 1
    Workdir(tmp_path).check(FrozenConfigDict(second))
    Workdir(tmp_path).claim(FrozenConfigDict(first))
    with pytest.raises(UsageError, match="belongs to another config"):
        Workdir(tmp_path).claim(FrozenConfigDict(second))


def test_a_workdir_may_be_claimed_while_another_process_looks_at_it(tmp_path, monkeypatch):
    config, listing = FrozenConfigDict(paper()), Path.iterdir

    def claimed_first(folder):
        monkeypatch.setattr(Path, "iterdir", listing)
        Workdir(tmp_path).claim(config)
        (tmp_path / "folds.csv").touch()
        return listing(folder)

    monkeypatch.setattr(Path, "iterdir", claimed_first)
    Workdir(tmp_path).check(config)
    assert Workdir(tmp_path).config.exists()


@pytest.mark.slow
def test_runs_of_different_folds_share_a_workdir_and_the_last_evaluates(expected, tmp_path):
    jobs = [start(*RUN, f"--workdir={tmp_path}", f"--config.train.only_folds={folds}") for folds in ("0,1", "2")]
    outputs = [job.communicate(timeout=300) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], outputs
    assert sum("written: " in output for output, _ in outputs) == 1
    # The latter where both end at once.
    left = ("The run that finds all folds done evaluates", "another run has evaluated every fold")
    assert sum(any(text in output for text in left) for output, _ in outputs) == 1
    assert (tmp_path / "predictions.csv").read_bytes() == expected


@pytest.mark.parametrize("is_evaluated", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_run_waits_for_another_that_evaluates_and_does_so_itself_if_that_fails(run, tmp_path, is_evaluated):
    results = shutil.copytree(run[0], tmp_path / "w") / "results.json"
    written = results.read_text()
    results.unlink()
    with Workdir(tmp_path / "w").lock_evaluation():
        job = start(*RUN, f"--workdir={tmp_path / 'w'}")
        assert any(f"waiting for process {os.getpid()} on " in line for line in job.stdout)
        assert not results.exists()
        if is_evaluated:
            results.write_text(written)
    output, errors = job.communicate(timeout=60)
    assert (job.returncode, errors) == (0, "")
    assert ("another run has evaluated every fold" in output) == is_evaluated == (results.read_text() == written)
