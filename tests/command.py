"""Runs the real command line, as a user would, on a world small enough for tests.

`main` and `start` run main.py in a process that is forked from one that has imported everything, and so starts at once;
it parses flags, catches signals, prints and exits as any other. `anew` has Python start too, which takes seconds: it is
for one run of each verb, and for tests of environment variables that are read by imports.
"""

import multiprocessing
import multiprocessing.forkserver
import os
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[1]
VERBS = ("train", "prepare", "check", "audit", "evaluate", "predict", "explain", "report", "compare", "configs", "show")
PRELOADED = ["tests.command", "ml_collections.config_flags", *(f"dynjax.verbs.{verb}" for verb in VERBS)]
PATIENCE = 900  # seconds that a command may take, on a machine that has other things to do
KEPT = {"GLIBC_TUNABLES": ""}  # says that main.py need not start Python again to have freed memory kept
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
Completed = subprocess.CompletedProcess[str]


def main(*arguments, timeout: float = PATIENCE, **world) -> Completed:
    """Runs `main.py ARGUMENTS` from the repository's root to its end; fails if it prints a traceback.

    world: what `start` takes.
    """
    return _completed(start(*arguments, **world), timeout)


def anew(
    *arguments, timeout: float = PATIENCE, environment: dict[str, str] | None = None, silent: bool = False, **how
) -> Completed:
    """Does what `main` does, in a Python that starts as the shell would start it.

    silent: its standard output is closed. how: further arguments of Popen.
    """
    command = [sys.executable, "main.py", *map(str, arguments)]
    if silent:
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "surrogateescape"}
    env = os.environ | (environment or {})
    return _completed(subprocess.Popen(command, cwd=ROOT, env=env, **streams | how), timeout)


def script(path: Path, *arguments, cwd: Path) -> Completed:
    """Runs another of the repository's programs in a forked process."""
    return _completed(Forked(path, arguments, dict(os.environ), cwd), PATIENCE)


def start(
    *arguments,
    cache: Path | None = None,
    environment: dict[str, str] | None = None,
    limits: dict[int, int] | None = None,
    unread: bool = False,
) -> "Forked":
    """Starts `main.py ARGUMENTS`; its output can be read line by line.

    Args: environment, variables besides those of this process, which are removed where their value is ''; limits, of
    `resource`, such as {RLIMIT_FSIZE: 10**6}; unread, nobody reads the standard output.
    """
    environment = os.environ | KEPT | ({"DYNJAX_CACHE": str(cache)} if cache else {}) | (environment or {})
    return Forked(ROOT / "main.py", arguments, environment, ROOT, limits, unread)


def interrupt(number: signal.Signals, when: Callable[[], bool], *arguments, cache: Path | None = None) -> int:
    """Starts the command, sends it the signal as soon as `when()` holds, and returns its exit code."""
    process = start(*arguments, cache=cache)
    deadline = time.monotonic() + PATIENCE
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    assert process.poll() is None, "the command ended before it could be interrupted"
    process.send_signal(number)
    return _completed(process, PATIENCE).returncode


class Forked:
    """Runs `python PROGRAM ARGUMENTS` where everything is imported; is used like a subprocess.Popen."""

    def __init__(self, program: Path, arguments, environment, folder: Path, limits=None, unread: bool = False):
        output, errors = os.pipe(), os.pipe()
        if unread:
            os.dup2(os.open(os.devnull, os.O_RDONLY), output[0])
        ends = [Connection(pipe[1], readable=False) for pipe in (output, errors)]
        self.args = [program, *map(str, arguments)]
        what = (*ends, environment, program, self.args[1:], folder, limits or {})
        self.process = _forking().Process(target=_run, args=what, daemon=True)
        self.process.start()
        for end in ends:
            end.close()
        self.stdout, self.stderr = os.fdopen(output[0]), os.fdopen(errors[0])

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()

    def wait(self, timeout: float) -> int:
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.args), timeout)
        return self.process.exitcode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Waits for the end; what was not read yet of both outputs."""
        with ThreadPoolExecutor(2) as readers, self.stdout, self.stderr:
            output = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            finally:
                self.process.kill()  # or the outputs would not end
                said, complaints = (stream.result() for stream in output)
        return said, complaints


def _completed(process, timeout: float) -> Completed:
    said, complaints = process.communicate(timeout=timeout)
    assert "Traceback" not in (complaints or ""), complaints
    return subprocess.CompletedProcess(process.args, process.returncode, said, complaints)


def _forking():
    """The context of the process to fork from, which this process starts once and which ends with it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with mock.patch.dict(os.environ, {"PYTHONPATH": str(ROOT)}):
        multiprocessing.forkserver.ensure_running()
    return context


def _run(output, errors, environment: dict[str, str], program: Path, arguments, folder: Path, limits) -> None:
    """Becomes `python PROGRAM ARGUMENTS`, in the forked process."""
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update({name: value for name, value in environment.items() if value or name in KEPT})
    os.chdir(folder)
    sys.argv = [str(program), *arguments]
    runpy.run_path(str(program), run_name="__main__")
