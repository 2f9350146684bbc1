"""Times whole processes, from start to end."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.scans import SUBJECTS, phantom_scans
from benchmarks.turns import Unavailable, Work

ROOT = Path(__file__).parents[1]


def first_step(side: str, arguments: dict, keep_cache: bool = False) -> Work:
    """Starts a process that imports its library, builds a network and takes one training step.

    Args: keep_cache, whether dynjax keeps its cache of compiled programs between processes.

    Raises: Unavailable if torch cannot be imported.
    """
    if side == "torch" and _call(["-c", "import torch"]):
        raise Unavailable("torch is not installed; make bench installs it")
    code = f"from benchmarks.{side}_side import epoch; epoch(**{arguments!r}).run(1)"
    kept = tempfile.TemporaryDirectory()

    def run(times):
        for _ in range(times):
            with tempfile.TemporaryDirectory() as empty:
                _checked(["-c", code], cache=kept.name if keep_cache else empty)

    return Work(run, {})


def predict(options: list[str]) -> Work:
    """Runs `main.py predict` on one scan with the five networks of a run of one epoch."""
    folder = tempfile.TemporaryDirectory()
    tiny = ["--config.train.epochs=1", f"--config.cohort.phantom.n={SUBJECTS}", "--config.model.pretrained=none"]
    _checked(["main.py", *options, *tiny, f"--workdir={folder.name}"])
    (scan,) = phantom_scans(1)

    def run(times):
        for _ in range(times):
            _checked(["main.py", "predict", f"--workdir={folder.name}", str(scan)])

    return Work(run, {})


def _checked(arguments: list[str], cache: str | None = None) -> None:
    if code := _call(arguments, cache):
        raise RuntimeError(f"{' '.join(arguments)} ended with exit code {code}")


def _call(arguments: list[str], cache: str | None = None) -> int:
    env = os.environ | ({"DYNJAX_CACHE": cache} if cache else {})
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
