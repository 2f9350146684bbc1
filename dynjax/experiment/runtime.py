"""What is set once a process: JAX's compilation cache, quiet libraries, and what a signal does."""

import contextlib
import hashlib
import logging
import platform
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import jax

from dynjax.files import cache_folder
from dynjax.progress import console


def configure_jax() -> None:
    """Keeps compiled programs between processes, so that a second start is quick."""
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "xla" / _processor()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    logging.getLogger("absl").setLevel(logging.ERROR)  # orbax narrates every file that it writes


def _processor() -> str:
    """A name for what this processor can do: a program compiled for another, in a home that both share, may crash."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        features = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether SIGINT or SIGTERM has asked to stop; a second one stops at once."""
    requested = False

    def request(number, frame):
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        console.print(f"{signal.Signals(number).name}: stopping after this epoch; once more stops at once")

    previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: requested
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
