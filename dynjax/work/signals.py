"""Handles signals while a block runs, where Python allows it."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType


@contextlib.contextmanager
def handled(
    signals: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None] | int
) -> Iterator[None]:
    """Handles signals by `handler` while the block runs; does nothing outside the main thread.

    Python sets handlers in the main thread alone. In another one, as of a web server, its program handles them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
