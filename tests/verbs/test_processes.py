"""Two real processes on this machine that train a run together: the same answers, and neither waits for a lost one."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.command import PHANTOMS, ROOT, TINY, main

RUN = (*TINY, *PHANTOMS)
WAIT = 600  # seconds, after which a process hangs: others may share the cores


def start_both(workdir, *options):
    """Of `python main.py` the two processes, the first one first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "main.py", *RUN, *options, f"--workdir={workdir}"]
    both = []
    for number in ("0", "1"):
        names = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": number}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        both.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | names, **pipes))
    return both


def end(processes):
    """(exit code, standard output, standard error) of each."""
    ended = []
    for process in processes:
        output, errors = process.communicate(timeout=WAIT)
        assert "Traceback" not in errors, errors
        ended.append((process.returncode, output, errors))
    return ended


def answers(workdir):
    with open(workdir / "predictions.csv", newline="") as file:
        return np.array([float(row["probability"]) for row in csv.DictReader(file)])


def losses(workdir):
    events = [json.loads(line) for line in (workdir / "events.jsonl").read_text().splitlines()]
    return [event["loss"] for event in sorted(events, key=lambda event: (event["fold"], event["epoch"]))]


def wait_for_epochs(workdir, count, processes):
    events, start = workdir / "events.jsonl", time.monotonic()
    while not events.exists() or len(events.read_text().splitlines()) < count:
        assert time.monotonic() - start < WAIT and all(process.poll() is None for process in processes)
        time.sleep(0.02)


def wait_for_file(workdir, pattern, processes):
    while not any(workdir.glob(pattern)):
        assert all(process.poll() is None for process in processes)


@pytest.mark.slow
def test_two_processes_give_the_answers_of_one(run, tmp_path):
    (code, first, _), (others_code, others, _) = end(start_both(tmp_path / "w"))
    assert (code, others_code) == (0, 0) and "ROC AUC" in first and "ROC AUC" not in others and "fold" not in others
    np.testing.assert_allclose(losses(tmp_path / "w"), losses(run[0]), rtol=1e-5)
    np.testing.assert_allclose(answers(tmp_path / "w"), answers(run[0]), atol=1e-5)
    (code, first, _), (others_code, *_) = end(start_both(tmp_path / "w"))
    assert (code, others_code) == (0, 0) and "nothing to do" in first


@pytest.mark.slow
def test_one_that_is_killed_ends_the_other_and_both_go_on(tmp_path):
    """Either process, and the second one as both save; the end is bit for bit that of a run that nobody disturbed."""
    long = ("--config.train.epochs=8", "--config.train.only_folds=0")
    assert [code for code, *_ in end(start_both(tmp_path / "whole", *long))] == [0, 0]
    for lost, wait, what in ((0, wait_for_epochs, 2), (1, wait_for_file, "**/*tmp*")):
        both = start_both(tmp_path / "w", *long)
        wait(tmp_path / "w", what, both)
        both[lost].kill()
        start = time.monotonic()
        ((code, _, errors),) = end([both[1 - lost]])
        both[lost].communicate()
        assert code != 0 and time.monotonic() - start < 30
        assert "another process of this run was lost" in errors or "another task died" in errors
    assert [code for code, *_ in end(start_both(tmp_path / "w", *long))] == [0, 0]
    whole, parts = (losses(tmp_path / name) for name in ("whole", "w"))
    assert len(whole) == 8 and whole == parts


@pytest.mark.slow
def test_a_signal_to_one_stops_both_and_they_go_on(run, tmp_path):
    both = start_both(tmp_path / "w")
    wait_for_epochs(tmp_path / "w", 1, both)
    both[1].send_signal(signal.SIGTERM)
    assert [code for code, *_ in end(both)] == [75, 75]
    assert [code for code, *_ in end(start_both(tmp_path / "w"))] == [0, 0]
    np.testing.assert_allclose(losses(tmp_path / "w"), losses(run[0]), rtol=1e-5)


@pytest.mark.slow
def test_where_the_first_cannot_begin_the_others_end(tmp_path):
    (code, _, errors), (others_code, _, others) = end(start_both(tmp_path / "w", "--config.cohort.table=/nowhere.csv"))
    assert (
        (code, others_code) == (3, 1)
        and "/nowhere.csv" in errors
        and "could not start; its own message says why" in others
    )


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "2"},
        {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0", "JAX_COORDINATOR_ADDRESS": "node1"},
    ],
)
def test_an_environment_that_says_it_wrongly(tmp_path, monkeypatch, names):
    for name, value in ({"JAX_COORDINATOR_ADDRESS": "127.0.0.1:1"} | names).items():
        monkeypatch.setenv(name, value)
    done = main(*RUN, f"--workdir={tmp_path}")
    assert done.returncode == 2 and "must be" in done.stderr
