"""Says that a program is being compiled, and lets a signal end the command meanwhile.

XLA compiles within one call, for minutes on a CPU. Python handles a signal only after that call, so a thread must.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from dynjax.work.progress import console

SOON = 2.0  # seconds of compiling before it is said
PATIENCE = 5.0  # seconds of compiling after a signal before the command ends, for what is nearly done may be saved
MOMENT = 0.1  # seconds between two looks at whether it is done
_began: list[float] = []  # when what is being compiled began, by the monotonic clock


@contextlib.contextmanager
def compiling(what: str) -> Iterator[None]:
    """Says, unless the block is soon over, that it compiles `what`."""
    timer = threading.Timer(SOON, _say, [f"compiling {what}, which is kept for the next time"])
    timer.daemon = True
    timer.start()
    began = time.monotonic()
    _began.append(began)
    try:
        yield
    finally:
        _began.remove(began)
        timer.cancel()


def announced(program: Callable, what: str) -> Callable:
    """Has it said that a jitted program is compiled, wherever the shapes of its arrays are new.

    Trees of parameters are passed over: a program has the same ones each time. Threads that need the same program at
    the same time wait for the first, so that it is compiled once.
    """
    known: set[tuple] = set()
    first = threading.Lock()

    def call(*arguments):
        shapes = tuple(getattr(each, "shape", None) for each in arguments)
        if shapes in known:
            return program(*arguments)
        with first, compiling(what):
            found = program(*arguments)
        known.add(shapes)
        return found

    return call


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # which the main thread meets as well, and ends
        if console.is_terminal:
            console.print(text)
        else:
            print(text, flush=True)


def end_when_asked(end: Callable[[], NoReturn]) -> None:
    """Calls `end`, in a thread of its own, if a signal comes in and a program is still being compiled PATIENCE later.

    It must be called in the main thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)  # written to as the signal arrives, whatever Python does
    threading.Thread(target=_watch, args=(reader, end), daemon=True).start()


def _watch(reader: int, end: Callable[[], NoReturn]) -> None:
    os.read(reader, 1)
    asked = time.monotonic()
    while not any(time.monotonic() - max(asked, began) > PATIENCE for began in list(_began)):
        time.sleep(MOMENT)
    end()
