"""Work on the workers of a Dask scheduler, on as many machines as it has; all of them see the same files."""

import contextlib
import importlib.util
import logging
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any, NoReturn

from dynjax.errors import DynjaxError, UsageError

LOCAL = "local"  # the scheduler of a cluster that lasts as long as the command: a process a core of this machine
PATIENCE = 10  # seconds for a scheduler to answer
WORKERLESS = 60  # seconds that it may be without a worker
KEPT = "What was stored is kept: the same command goes on from there"
_clients: list[Any] = []


@contextlib.contextmanager
def workers_of(scheduler: str) -> Iterator[None]:
    """Until it ends, `dynjax.work.parallel` sends what can travel to the scheduler's workers; '' is for none.

    Raises: UsageError if there is no such scheduler; DynjaxError if it is lost, or its workers cannot do the work.
    """
    if not scheduler:
        yield
        return
    if importlib.util.find_spec("distributed") is None:
        raise UsageError(f"--scheduler={scheduler}: needs Dask: pip install 'dynjax[cluster]'")
    client = _connect(scheduler)
    _clients.append(client)
    try:
        yield
    finally:
        _clients.remove(client)
        client.close()


def is_there() -> bool:
    return bool(_clients)


def map_on_workers(function: Callable, items: Sequence, advance: Callable[[int], None]) -> list:
    """[function(item) for item in items]; what one of them raises is raised here, and what has not begun abandoned.

    Raises: DynjaxError if the workers cannot do it, are lost or do not come.
    """
    (client,) = _clients
    done: queue.SimpleQueue = queue.SimpleQueue()
    futures = client.map(function, items, pure=False)
    for number, future in enumerate(futures):
        future.add_done_callback(lambda future, number=number: done.put((number, *_outcome(future))))
    results: dict[int, Any] = {}
    try:
        while len(results) < len(items):
            number, result, error = _next(done, client)
            if error:
                _raise(error)
            results[number] = result
            advance(1)
        return [results[number] for number in range(len(items))]
    finally:
        client.cancel(futures)


def _outcome(future) -> tuple[Any, Exception | None]:
    """Its result, or what it raised. Where a worker is lost with what it made, it is made again, and waited for."""
    try:
        return future.result(), None
    except Exception as error:
        return None, error


def _next(done: queue.SimpleQueue, client) -> Any:
    while True:
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=WORKERLESS)
        if not client.nthreads():
            raise DynjaxError(f"the scheduler has had no worker for {WORKERLESS} s. {KEPT}")


def _connect(scheduler: str):
    from distributed import Client

    for name in ("distributed", "distributed.client", "tornado.application"):  # which log what is raised, and more
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if scheduler == LOCAL:
            with _without_interrupts():
                return Client(processes=True, threads_per_worker=1, dashboard_address=":0")
        return Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"--scheduler={scheduler}: no Dask scheduler answers there ({error})") from None


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that are started here leave a terminal's Ctrl-C to this one."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _raise(error: Exception) -> NoReturn:
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    if isinstance(error, KilledWorker):
        reason = "several workers ended over the same scan; was their memory enough?"
    elif isinstance(error, CancelledError | CommClosedError):  # before, or while it gave a result away
        reason = "the scheduler is lost"
    elif isinstance(error, ImportError) or "deserializ" in str(error):
        reason = f"scheduler or workers lack something: {error}; install dynjax there as it is here"
    else:
        raise error
    raise DynjaxError(f"{reason}. {KEPT}")
