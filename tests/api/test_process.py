"""Calls from Python leave the process of a notebook or a server as it was, and work in any of its threads."""

import logging
import signal
import sys
import threading
import warnings

import jax
import pytest

import dynjax
from tests.api.conftest import TINY

BASELINE = "configs/baseline_mean_intensity.py"  # reads scans, and is soon done


def state():
    """Returns what a program may have set for the whole process."""
    options = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    return {
        "levels": [logging.getLogger(name).level for name in ("", "absl", "asyncio", "jax", "matplotlib")],
        "hooks": [warnings.showwarning, warnings.formatwarning, sys.unraisablehook, sys.excepthook],
        "filters": list(warnings.filters),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)],
        "jax": {name: getattr(jax.config, name) for name in options},
    }


@pytest.fixture
def own_state(monkeypatch, tmp_path):
    """A notebook that has set all of it."""
    monkeypatch.setattr(warnings, "showwarning", lambda *_args, **_how: None)
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    before = {name: logging.getLogger(name).level for name in ("absl", "asyncio")}
    logging.getLogger("asyncio").setLevel(logging.INFO)
    directory = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    yield state()
    jax.config.update("jax_compilation_cache_dir", directory)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


CALLS = {
    "train": lambda w: dynjax.train("configs/best.py", w, TINY),
    "predict": lambda w: dynjax.predict(w, "nowhere.nii"),
    "explain": lambda w: dynjax.explain(w, "nowhere.nii", method="cam"),
    "a train that ends in an error": lambda w: dynjax.train("configs/best.py", w, TINY | {"model.penalty": 1.0}),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_leaves_the_process_as_it_was(call, own_state, workdir, tmp_path):
    try:
        CALLS[call](workdir)
    except dynjax.DynjaxError as error:
        assert call != "train" and ("nowhere.nii" in str(error) or "another config" in str(error))
    assert state() == own_state


def test_two_calls_at_a_time_leave_the_process_as_it_was(own_state, workdir):
    threads = [threading.Thread(target=CALLS["predict"], args=(workdir,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert state() == own_state


def test_a_second_call_says_all_that_the_first_said(tmp_path, capsys):
    said = []
    for name in ("first", "second"):
        dynjax.train(BASELINE, tmp_path / name, TINY)
        said.append(capsys.readouterr().out.replace(str(tmp_path / name), "W"))
    assert said[0].startswith("SYNTHETIC: 12 subjects") and "reading" in said[0]
    assert [line for line in said[0].splitlines() if line != "checking scans"] == said[1].splitlines()  # known by then


def test_another_thread_than_the_main_one_trains_as_well(tmp_path, imagenet_mobilenet):
    found, before = [], signal.getsignal(signal.SIGTERM)
    train = lambda: found.append(dynjax.train("configs/best.py", tmp_path / "w", TINY | {"train.only_folds": (0,)}))  # noqa: E731
    thread = threading.Thread(target=train)
    thread.start()
    thread.join(300)
    assert [list(run.networks) for run in found] == [[0]] and signal.getsignal(signal.SIGTERM) is before
