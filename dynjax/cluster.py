"""Work on the workers of a Dask scheduler, on as many machines as it has; all of them see the same files."""

import contextlib
import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dynjax.errors import DynjaxError, UsageError

LOCAL = "local"  # the scheduler of a cluster that lasts as long as the command: a process a core of this machine
PATIENCE = 10  # seconds for a scheduler to answer
_clients: list[Any] = []


@contextlib.contextmanager
def workers_of(scheduler: str) -> Iterator[None]:
    """Until it ends, `dynjax.parallel` sends what can travel to the scheduler's workers; '' is for none.

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

    Raises: DynjaxError if the workers cannot do it, or are lost.
    """
    from distributed import as_completed

    (client,) = _clients
    futures = client.map(function, items, pure=False)
    try:
        for future in as_completed(futures):
            if future.status != "finished":
                _raise(future)
            advance(1)
        return client.gather(futures)
    finally:
        client.cancel(futures)


def _connect(scheduler: str):
    from distributed import Client

    for name in ("distributed", "distributed.client"):  # which log what they raise, and more
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if scheduler == LOCAL:
            return Client(processes=True, threads_per_worker=1, dashboard_address=":0")
        return Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise UsageError(f"--scheduler={scheduler}: no Dask scheduler answers there ({error})") from None


def _raise(future) -> None:
    from distributed import KilledWorker

    error = future.exception() if future.status == "error" else None
    if isinstance(error, (DynjaxError, OSError)):
        raise error
    if isinstance(error, KilledWorker):
        reason = "several workers ended over the same scan; was their memory enough?"
    elif isinstance(error, ImportError):
        reason = f"its workers lack something: {error}; install dynjax there as it is here"
    elif error is None:
        reason = "the scheduler is lost"
    else:
        raise error
    raise DynjaxError(f"{reason}. What was stored is kept: the same command goes on from there")
