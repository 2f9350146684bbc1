"""A signal ends the command although its main thread is in a call that takes long; it waits for one that is short."""

import signal
import subprocess
import sys
import time

import pytest

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
