"""Runs work on the workers of a Dask scheduler, on any number of machines that share their files."""

import contextlib
import importlib.util
import logging
import queue
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any, NoReturn

from dynjax.errors import DynjaxError, UsageError
from dynjax.work.signals import handled

LOCAL = "local"  # a scheduler for as long as the command runs, with a process per core of this machine
PATIENCE = 10  # seconds to wait for a scheduler's answer
WORKERLESS = 60  # seconds to wait for a worker
MOMENT = 1  # seconds between two looks at whether the scheduler is still there
KEPT = "Everything stored is kept: run the same command to continue"
_clients: list[Any] = []


@contextlib.contextmanager
def workers_of(scheduler: str) -> Iterator[None]:
    """While the block runs, `dynjax.work.parallel` sends work that can travel to the scheduler's workers.

    Args: scheduler, its address, LOCAL, or '' for none.

    Raises: UsageError if no scheduler answers; DynjaxError if it is lost or its workers cannot do the work.
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
    """Tells whether a block of `workers_of` with a scheduler is running."""
    return bool(_clients)


def map_on_workers(function: Callable, items: Sequence, advance: Callable[[int], None]) -> list:
    """Returns [function(item) for item in items], computed on the workers.

    Raises: the first exception of an item, which cancels the items that have not begun; DynjaxError if the workers
    cannot do the work, are lost or do not come.
    """
    (client,) = _clients
    done: queue.SimpleQueue = queue.SimpleQueue()
    futures = client.map(function, items, pure=False)
    for number, future in enumerate(futures):
        # The default argument keeps this round's number.
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
        if client.status == "running":  # a client that has lost its scheduler has nobody to tell
            client.cancel(futures)


def _outcome(future) -> tuple[Any, Exception | None]:
    """Returns the result or the exception of a future; waits if its worker was lost and it is computed again.

    It never waits for a scheduler that is lost: one thread fetches the results of all maps of this process.
    """
    while True:
        try:
            return future.result(timeout=MOMENT), None
        except TimeoutError as error:
            if future.status == "error":  # of the function itself
                return None, error
            if future.client.status == "closed":
                return None, CancelledError()
        except Exception as error:
            return None, error


def _next(done: queue.SimpleQueue, client) -> Any:
    """Waits for the next (number, result, exception).

    Raises: DynjaxError if the scheduler is lost, or if there is no worker for WORKERLESS s.
    """
    since = time.monotonic()
    while True:
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=MOMENT)
        if client.status == "closed":
            _raise(CancelledError())
        if client.status == "running" and time.monotonic() - since > WORKERLESS:
            if not client.nthreads():
                raise DynjaxError(f"the scheduler has had no worker for {WORKERLESS} s. {KEPT}")
            since = time.monotonic()


def _connect(scheduler: str):
    from distributed import Client

    for name in ("distributed", "distributed.client", "tornado.application"):  # they log what is raised anyway
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if scheduler == LOCAL:
            with handled([signal.SIGINT], signal.SIG_IGN):  # its processes ignore a Ctrl-C, which this one handles
                return Client(processes=True, threads_per_worker=1, dashboard_address=":0")
        return Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"--scheduler={scheduler}: no Dask scheduler answers there ({error})") from None


def _raise(error: Exception) -> NoReturn:
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    if isinstance(error, KilledWorker):
        reason = "several workers died on the same scan; did they run out of memory?"
    elif isinstance(error, CancelledError | CommClosedError):  # before, or while sending a result
        reason = "the scheduler is lost"
    elif isinstance(error, ImportError) or "deserializ" in str(error):
        reason = f"the scheduler or a worker lacks something: {error}; install dynjax there as on this machine"
    else:
        raise error
    raise DynjaxError(f"{reason}. {KEPT}")
