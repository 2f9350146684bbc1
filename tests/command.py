"""Runs the real command line, as a user would, on a world small enough for tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PHANTOMS = ("--config.cohort.phantom.n=12",)
TINY = (
    "--config=configs/dyn_alexnet.py",
    "--config.volume.grid=32,32,32",
    "--config.volume.spacing=6.9",
    "--config.train.epochs=4",
    "--config.train.folds=3",
    "--config.train.batch_size=4",
    "--config.train.checkpoint_every=2",
    "--config.model.pretrained=none",
)


def main(*arguments, cache: Path | None = None, timeout: float = 300) -> subprocess.CompletedProcess:
    """`python main.py ARGUMENTS` from the repository's root; never a traceback, whatever the arguments."""
    command = [sys.executable, "main.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=_env(cache), capture_output=True, text=True, timeout=timeout)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def start(*arguments, cache: Path | None = None) -> subprocess.Popen:
    """The command under way; its output can be read line by line."""
    command = [sys.executable, "main.py", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=_env(cache), stdout=pipe, stderr=pipe, text=True)


def interrupt(number: signal.Signals, when: Callable[[], bool], *arguments, cache: Path | None = None) -> int:
    """Starts the command, sends it the signal as soon as `when()` holds, and returns its exit code."""
    process = start(*arguments, cache=cache)
    deadline = time.monotonic() + 300
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    assert process.poll() is None, "the command ended before it could be interrupted"
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    return process.returncode


def _env(cache: Path | None) -> dict[str, str]:
    return os.environ | ({"DYNJAX_CACHE": str(cache)} if cache else {})
