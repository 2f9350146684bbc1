"""A signal ends the command although its main thread is in a call that takes long; it waits for one that is short."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

from dynjax.explanation.network import Explained, Numbers, halves
from dynjax.frozen.trunk import trunk_program
from dynjax.models.build import build_classifier, build_trunk
from dynjax.models.classifier import Options
from dynjax.run import trained
from dynjax.work import compiling
from tests.command import PHANTOMS, ROOT, TINY, Forked, start

# Python handles no signal while pbkdf2_hmac runs, as while XLA compiles.
LONG_CALL = """
import hashlib, os, signal, sys
from dynjax.work import compiling

compiling.SOON, compiling.PATIENCE = 0.2, 1.0
signal.signal(signal.SIGTERM, lambda *_: print("handled", flush=True))
compiling.end_when_asked(lambda: os._exit(75))
with compiling.compiling("a program"):
    hashlib.pbkdf2_hmac("sha256", b"", b"", int(sys.argv[1]))
print("compiled", flush=True)
"""
LONG, SHORT = 10**9, 10**6  # minutes, and less than a second


def test_a_signal_ends_a_call_that_takes_long():
    command = [sys.executable, "-c", LONG_CALL, str(LONG)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "compiling a program, which is kept for the next time\n"
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (75, "")


def test_without_a_signal_nothing_ends():
    command = [sys.executable, "-c", LONG_CALL, str(SHORT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "compiled")


def test_new_shapes_are_announced_once(monkeypatch):
    said = recorded(monkeypatch)
    program = compiling.announced(lambda params, images: images.sum() + params["a"], "a program")
    for size in (2, 3, 2, 3):
        assert program({"a": 1}, np.ones(size)) == size + 1
    assert said == ["a program"] * 2


def test_threads_that_need_one_program_wait_for_the_first():
    """As those do that compute the features of scans: all get the same program, and it is compiled once."""
    together, running, most = threading.Barrier(4), [], []

    def get(_):
        together.wait()
        return trunk_program("alexnet", dtype="bfloat16")

    def slow(images):
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        return images.sum()

    program = compiling.announced(slow, "a program")
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(get, range(4)))) == 1
        assert list(pool.map(program, [np.ones(3)] * 4)) == [3.0] * 4
    assert max(most) == 1


@pytest.mark.slow
def test_the_programs_of_every_verb_are_announced(monkeypatch):
    """A network that trains is announced by its plan, which the test below has compiled."""
    said = recorded(monkeypatch)
    network = build_classifier("alexnet", (64, 64), Options())
    numbers = network.init(jax.random.key(0))
    _, predict = trained._network("alexnet", (64, 64), Options())
    images = np.zeros((1, 64, 64, 3), np.float32)
    predict(*numbers, images)
    assert said == ["the network"]
    Explained(halves("alexnet", (64, 64), Options()), Numbers(*numbers, {}, {})).maps(images)
    assert said[1:] == ["a program that explains"]
    trunk_program("alexnet")(*build_trunk("alexnet").init(jax.random.key(0)), images)
    assert said[2:] == ["the network that stands still"]


def recorded(monkeypatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(compiling, "compiling", lambda what: said.append(what) or contextlib.nullcontext())
    return said


def lines_until(process: Forked, text: str) -> None:
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"{text!r} was never said")


@pytest.mark.slow
def test_training_is_stopped_while_it_compiles(tmp_path):
    """A batch size that no other test has, so that the program is not in the cache."""
    options = ("--config=dyn_mobilenet_v2", *TINY[1:], *PHANTOMS, "--config.train.batch_size=7")
    process = start(*options, f"--workdir={tmp_path / 'w'}")
    lines_until(process, "compiling the training program")
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 75 and time.monotonic() - asked < 10
    assert "the same command continues from there" in complaints and not (tmp_path / "w" / "results.json").exists()
