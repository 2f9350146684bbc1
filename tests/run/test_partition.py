"""Several jobs that begin one run at the same time train on one partition, whatever each of them saw."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from dynjax.cohort.folds import make_folds, read_folds, write_folds
from dynjax.cohort.scan import Cohort, Scan
from dynjax.errors import InputError
from dynjax.run import crossvalidation, data
from dynjax.run.data import Data, keep_folds
from dynjax.run.keys import default_config
from dynjax.run.refused import read_refused, without
from dynjax.run.workdir import Workdir

SCANS = tuple(Scan(f"s{i:02}", "1", ("CN", "AD")[i % 2], Path(f"{i}.nii")) for i in range(20))
COHORT = Cohort(SCANS, ("CN", "AD"), "table.csv", False, {})


def seen_by(job):
    """What a job makes of the cohort: some jobs cannot read a scan, and each has folds of its own."""
    refused = {(f"s{job:02}", "1"): "truncated"} if job % 2 else {}
    cohort = without(COHORT, refused)
    return cohort, make_folds(cohort, 4, seed=job), refused


def test_of_jobs_that_see_other_scans_only_those_that_agree_go_on(tmp_path, monkeypatch):
    workdir, together = Workdir(tmp_path), threading.Barrier(6)

    def write_slowly(*what):
        time.sleep(0.2)
        write_folds(*what)

    def begin(job):
        cohort, folds, refused = seen_by(job)
        together.wait()
        try:
            return cohort, keep_folds(workdir, cohort, folds, refused), refused
        except InputError as error:
            assert "other scans can be used than when this run began" in str(error)
            return None

    monkeypatch.setattr(data, "write_folds", write_slowly)
    with ThreadPoolExecutor(6) as pool:
        went_on = [found for found in pool.map(begin, range(6)) if found]
    assert went_on and len(went_on) in (1, 3), "those without a refused scan, or one with it"
    for cohort, folds, refused in went_on:
        assert (folds == read_folds(workdir.folds, cohort, 4)).all() and refused == read_refused(workdir)


def test_the_first_job_decides_for_all(tmp_path):
    first, second = (make_folds(COHORT, 4, seed) for seed in (0, 1))
    assert (keep_folds(Workdir(tmp_path), COHORT, first, {}) == first).all()
    assert (keep_folds(Workdir(tmp_path), COHORT, second, {}) == first).all() and (first != second).any()
    cohort, folds, refused = seen_by(1)
    with pytest.raises(InputError, match="other scans can be used"):
        keep_folds(Workdir(tmp_path), cohort, folds, refused)
    with pytest.raises(InputError, match="the scan table has changed"):
        keep_folds(Workdir(tmp_path), cohort, folds)


def test_what_is_trained_on_is_what_is_in_the_file(tmp_path, monkeypatch):
    """Another job writes its folds while this one, which saw none, still reads its scans."""
    workdir, theirs = Workdir(tmp_path), make_folds(COHORT, 5, seed=9)

    def meanwhile(config, cohort, folds):
        write_folds(workdir.folds, cohort, theirs)
        return Data(config, cohort, np.array(cohort.targets), folds, [])

    monkeypatch.setattr(crossvalidation, "find_cohort", lambda _: COHORT)
    monkeypatch.setattr(crossvalidation, "check_first", lambda *_: (COHORT, {}))
    monkeypatch.setattr(crossvalidation, "load_data", meanwhile)
    monkeypatch.setattr(crossvalidation, "check_unchanged", lambda *_: None)
    monkeypatch.setattr(Workdir, "claim", lambda *_: None)
    made = crossvalidation._prepare(FrozenConfigDict(default_config()), workdir, False, is_done=False)
    assert (made.folds == theirs).all() and (theirs != make_folds(COHORT, 5, 0)).any()
