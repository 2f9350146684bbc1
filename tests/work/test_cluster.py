"""Work that travels to two real Dask workers, and what is said where it cannot."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import nibabel
import numpy as np
import pytest
from distributed.comm import CommClosedError

from dynjax.errors import DynjaxError, InputError, UsageError
from dynjax.projection import store
from dynjax.volumes.grid import Grid
from dynjax.work import cluster
from dynjax.work.parallel import map_scans, parallel_map
from tests.command import PHANTOMS, ROOT, TINY, main

GRID = Grid((32, 34, 36), 2.0)


def start(workers=2):
    """The address of a scheduler and its workers, each a process; and what runs them, the scheduler last."""
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard"]
    first = subprocess.Popen(dask, stderr=subprocess.PIPE, text=True)
    address = next(found[0] for line in first.stderr if (found := re.search(r"tcp://[\d.:]+", line)))
    work = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        address,
        f"--nworkers={workers}",
        "--nthreads=1",
        "--no-dashboard",
    ]
    others = [subprocess.Popen(work, cwd=ROOT, stderr=subprocess.DEVNULL)] if workers else []
    return address, (*others, first)


def end(processes):
    """At once: asked politely, workers whose scheduler is gone look for it for seven minutes."""
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def scheduler():
    address, processes = start()
    yield address
    end(processes)


def test_results_are_in_order_and_made_elsewhere(scheduler):
    with cluster.workers_of(scheduler):
        found = parallel_map(lambda item: (item, os.getpid()), range(40), "working", travels=True)
        here = parallel_map(lambda item: os.getpid(), range(4), "working")
    assert [item for item, _ in found] == list(range(40))
    assert os.getpid() not in {process for _, process in found} and set(here) == {os.getpid()}
    assert not cluster.is_there()


def test_what_is_refused_is_listed_and_what_fails_is_raised(scheduler):
    def refuse(number):
        if number % 2:
            raise InputError(f"scan {number}")
        return number

    def fail(number):
        raise OSError(28, "No space left on device", "/full/disk")

    def end(number):
        time.sleep(1)  # sooner, what would start another may not be ready
        os._exit(1)

    def lack(number):
        raise ModuleNotFoundError("No module named 'dynjax'")

    with cluster.workers_of(scheduler):
        with pytest.raises(InputError, match=r"2 of 5 scans cannot be used:\n  scan 1\n  scan 3$"):
            map_scans(refuse, range(5), "refusing", travels=True)
        with pytest.raises(OSError, match="No space left on device: '/full/disk'"):
            parallel_map(fail, range(5), "failing", travels=True)
        with pytest.raises(DynjaxError, match="several workers died on the same scan"):
            parallel_map(end, range(1), "ending", travels=True)
        with pytest.raises(DynjaxError, match="install dynjax there"):
            parallel_map(lack, range(1), "lacking", travels=True)


def test_a_worker_that_is_killed_is_replaced_and_what_it_held_made_again(scheduler, tmp_path, monkeypatch):
    mark = tmp_path / "mark"

    def end_once(number):
        if number == 3 and not mark.exists():
            time.sleep(1)  # sooner, what would start another may not be ready
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    def outcome(future, outcome=cluster._outcome):
        while not mark.exists():
            time.sleep(0.1)
        time.sleep(0.1)  # 0.8 s together: some are asked for when they are lost
        return outcome(future)

    monkeypatch.setattr(cluster, "_outcome", outcome)
    with cluster.workers_of(scheduler):
        assert parallel_map(end_once, range(8), "working", travels=True) == list(range(8))


def test_workers_that_are_all_lost_are_waited_for_in_words(monkeypatch):
    monkeypatch.setattr(cluster, "WORKERLESS", 2)
    address, processes = start()
    threading.Timer(2, processes[0].kill).start()  # what starts the workers; they end with it
    with pytest.raises(DynjaxError, match="no worker for 2 s"), cluster.workers_of(address):
        parallel_map(lambda _: time.sleep(0.5), range(40), "sleeping", travels=True)
    end(processes)


@pytest.mark.parametrize("seconds", [1.6, 2])
def test_a_scheduler_that_is_lost_ends_it_in_words(seconds, scheduler, capfd):
    """And what the same process asks another scheduler for is answered."""
    address, processes = start()
    threading.Timer(seconds, processes[-1].kill).start()
    with pytest.raises(DynjaxError, match="the scheduler is lost"), cluster.workers_of(address):
        parallel_map(lambda _: time.sleep(0.1), range(200), "sleeping", travels=True)
    end(processes)
    assert "Traceback" not in capfd.readouterr().err
    with cluster.workers_of(scheduler):
        assert parallel_map(str, range(3), "working", travels=True) == ["0", "1", "2"]


def test_a_scheduler_that_is_lost_while_it_answers_is_lost_all_the_same():
    with pytest.raises(DynjaxError, match="the scheduler is lost"):
        cluster._raise(CommClosedError("in <TCP (closed) ConnectionPool.gather>: Stream is closed"))


def test_the_workers_fill_the_store(scheduler, tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.nii.gz" for number in range(5)]
    for number, path in enumerate(paths):
        data = np.random.default_rng(number).integers(0, 100, GRID.shape).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(data, GRID.affine), path)
    expected = [store.project_scan(path, store.Projection(GRID)) for path in paths]
    monkeypatch.setattr(store, "project_scan", None)  # here nothing can be projected
    with cluster.workers_of(scheduler):
        store.fill_store(paths, store.Projection(GRID))
    np.testing.assert_array_equal(store.project_cohort(paths, store.Projection(GRID)).images, expected)


def test_verbs_take_it(scheduler):
    done = main("check", *TINY, *PHANTOMS, f"--scheduler={scheduler}")
    assert done.returncode == 0 and "12 ok" in done.stdout


def test_verbs_that_do_not():
    done = main("compare", "runs/a", "--scheduler=local")
    assert done.returncode == 2 and "is for train, prepare, check, audit, evaluate, not for compare" in done.stderr


def test_a_scheduler_without_workers(monkeypatch):
    monkeypatch.setattr(cluster, "WORKERLESS", 1)
    address, processes = start(workers=0)
    with pytest.raises(DynjaxError, match="no worker for 1 s"), cluster.workers_of(address):
        parallel_map(str, range(3), "waiting", travels=True)
    end(processes)


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:1", "nonsense://there", "tls://127.0.0.1:1"])
def test_a_scheduler_that_does_not_answer(scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with (
        pytest.raises(UsageError, match=f"--scheduler={scheduler}: no Dask scheduler answers"),
        cluster.workers_of(scheduler),
    ):
        pass


def test_a_cluster_of_this_machine():
    """Its workers leave a terminal's Ctrl-C to us."""
    with cluster.workers_of("local"):
        workers = set(parallel_map(lambda _: os.getpid(), range(20), "working", travels=True))
        for worker in workers:
            os.kill(worker, signal.SIGINT)
        assert parallel_map(os.path.basename, ["a/b", "c/d"], "working", travels=True) == ["b", "d"]
