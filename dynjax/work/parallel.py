"""Maps functions over many items on the cores of this machine or of a cluster.

This machine's cores are used by threads: NumPy, SciPy and zlib release the interpreter's lock.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dynjax.errors import InputError, listed
from dynjax.work import cluster
from dynjax.work.progress import progress_bar

Item = TypeVar("Item")
Result = TypeVar("Result")
TOGETHER = 1000  # items queued at a time: each takes some KiB until it is done


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], description: str, travels: bool = False
) -> list[Result]:
    """Returns [function(item) for item in items] and shows progress.

    An exception or Ctrl-C cancels the items that have not begun. With `travels`, the workers of `dynjax.work.cluster`
    do the work if there are any: `function` must then share only files with its caller and return small results.
    """
    parts = [items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER)]
    results: list[Result] = []
    with progress_bar(description, len(items)) as advance:
        if travels and cluster.is_there():
            for part in parts:
                results += cluster.map_on_workers(function, part, advance)
            return results
        with _threads() as pool:

            def run(item: Item) -> Result:
                result = function(item)
                advance(1)
                return result

            for part in parts:
                results += pool.map(run, part)
    return results


@contextlib.contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Yields a pool with a thread for each core that this process may use."""
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_scans(
    function: Callable[[Item], Result], scans: Sequence[Item], description: str, travels: bool = False
) -> list[Result]:
    """Maps a function over scans, as `parallel_map` does.

    Raises: InputError that lists every scan that `function` refuses, after trying all.
    """

    def attempt(scan: Item) -> Result | InputError:
        try:
            return function(scan)
        except InputError as error:
            return error

    results = parallel_map(attempt, scans, description, travels)
    refused = [result for result in results if isinstance(result, InputError)]
    if refused:
        raise InputError(f"{len(refused)} of {len(scans)} scans cannot be used:\n{listed(refused)}")
    return [result for result in results if not isinstance(result, InputError)]
