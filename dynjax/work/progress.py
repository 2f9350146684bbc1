"""Shows progress: a live bar on a terminal, elsewhere a plain line now and then."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator

import rich.console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Console(rich.console.Console):
    """Raises an error of its output, as `print` does; rich's own would end the program."""

    def on_broken_pipe(self) -> None:
        raise  # the error that rich has just caught


console = Console(stderr=True, highlight=False)
QUIET_SECONDS = 10.0  # between two plain lines


@contextlib.contextmanager
def progress_bar(description: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Yields advance(n), which adds n items. `unit='bytes'` counts in megabytes; a total of 0 is unknown."""
    if not console.is_terminal:
        with _plain_lines(description, total) as advance:
            yield advance
        return
    count = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    with Progress(TextColumn(description), BarColumn(), count, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(description, total=total or None)
        yield lambda n: bar.advance(task, n)


@contextlib.contextmanager
def _plain_lines(description: str, total: int) -> Iterator[Callable[[int], None]]:
    start = last = time.monotonic()
    done = 0

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        if time.monotonic() - last > QUIET_SECONDS and done != total:  # the last line says that all is done
            last = time.monotonic()
            print(f"{description}: {done} of {total or '?'}", flush=True)

    _announce(description)
    yield advance
    if time.monotonic() - start > QUIET_SECONDS:  # otherwise it is over before a reader has seen it begin
        print(f"{description}: {done} done in {time.monotonic() - start:.1f} s", flush=True)


@functools.cache
def _announce(description: str) -> None:
    """Says what begins; what is done again, as for each fold, is not said again."""
    print(description, flush=True)


def announce_anew() -> None:
    """Has everything said once more, as a new command does."""
    _announce.cache_clear()
