"""Sets up a process: JAX's compilation cache, quiet libraries, and signals that stop training."""

import contextlib
import functools
import hashlib
import logging
import platform
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from dynjax.files import cache_folder, warn_of_cache
from dynjax.work.progress import announce_anew, console
from dynjax.work.signals import handled

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # schedulers often announce a kill by SIGUSR1
DAMAGED_PROGRAM = re.compile(r"Error reading persistent compilation cache entry for '(\w+)'")
UNWRITTEN_PROGRAM = re.compile("Error writing persistent compilation cache entry")
DIRECTORY, SHORTEST = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"
LOUD = ("absl", "asyncio")  # where orbax logs every file that it writes, and the stack of each error that it raises
_STARTED = time.monotonic()
_calls: list[object] = []  # that are running, in any thread
_before: list[Callable[[], None]] = []  # restores what was there before the first of these
_counting = threading.Lock()


@contextlib.contextmanager
def like_a_command() -> Iterator[None]:
    """Lets a block say all that a command says, and then restores what it changed for the whole process.

    These are JAX's compilation cache, the levels of loggers, and how warnings and errors in callbacks are shown, which
    belong to the notebook that calls. Of several calls at a time, in threads, the last to end restores them.
    """
    call = object()
    with _counting:
        if not _calls:
            announce_anew()
            _before.append(_restorer())
        _calls.append(call)
    try:
        yield
    finally:
        with _counting:
            _calls.remove(call)
            if not _calls:
                _before.pop()()


def _restorer() -> Callable[[], None]:
    """Returns a function that restores what `configure_jax` changes, as it is now."""
    options = {name: getattr(jax.config, name) for name in (DIRECTORY, SHORTEST)}
    levels = {name: logging.getLogger(name).level for name in LOUD}
    unraisable, warn = sys.unraisablehook, warnings.showwarning

    def restore() -> None:
        _set_cache(options)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        sys.unraisablehook, warnings.showwarning = unraisable, warn

    return restore


def _set_cache(options: Mapping[str, Any]) -> None:
    """Sets JAX's options of its compilation cache; has it opened anew if it is to be another one."""
    is_other = options[DIRECTORY] != getattr(jax.config, DIRECTORY)
    for name, value in options.items():
        jax.config.update(name, value)
    if is_other:
        compilation_cache.reset_cache()


def configure_jax() -> None:
    """Keeps compiled programs in the cache, so that the next process starts quickly; may be called again and again."""
    programs = cache_folder() / "xla" / _processor()
    _set_cache({DIRECTORY: str(programs), SHORTEST: 0.1})
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if getattr(sys.unraisablehook, "func", None) is not _drop_closed_loop:
        sys.unraisablehook = functools.partial(_drop_closed_loop, sys.unraisablehook)
    if getattr(warnings.showwarning, "func", None) is not _remove_damaged:
        warnings.showwarning = functools.partial(_remove_damaged, programs, warnings.showwarning)


def _remove_damaged(programs: Path, show: Callable[..., None], message: Warning | str, *about, **more) -> None:
    """Shows a warning, but removes a compiled program that jax cannot read: a kill or a full disk cut it short.

    jax would keep the damaged file and warn again each time; once the file is gone, jax writes a new one. It also warns
    of every program that it cannot write, of which one warning is enough.
    """
    if UNWRITTEN_PROGRAM.match(str(message)):
        return warn_of_cache(str(message).partition("Error: ")[2] or str(message))
    found = DAMAGED_PROGRAM.search(str(message))
    if not found:
        return show(message, *about, **more)
    for entry in programs.glob(f"{found[1]}-*"):
        entry.unlink(missing_ok=True)


def _drop_closed_loop(show: Callable[..., None], unraisable) -> None:
    """Shows an error in a callback, except TensorStore's after a save that failed, whose own error is raised."""
    if str(unraisable.exc_value) != "Event loop is closed":
        show(unraisable)


def _processor() -> str:
    """Names the processor's features: a program compiled for another processor with the same home folder may crash."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"


@contextlib.contextmanager
def stop_when_asked(max_hours: float | None = None) -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether to stop: after one of SIGNALS, or `max_hours` after the process started.

    A second signal stops at once. Outside the main thread, signals are left to the program whose thread it is.
    """
    requested = False

    def request(number, frame):
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        console.print(f"{signal.Signals(number).name}: stopping as soon as all can be saved; once more stops at once")

    def is_time() -> bool:
        nonlocal requested
        if not requested and max_hours is not None and time.monotonic() - _STARTED > max_hours * 3600:
            requested = True
            console.print(f"{max_hours:g} hours are over: stopping as soon as all can be saved")
        return requested

    with handled(SIGNALS, request):
        yield is_time
