"""Work on many items over the machine's cores, or those of a cluster.

Threads: numpy, scipy and zlib let go of the interpreter's lock.
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
TOGETHER = 1000  # items that are queued at a time: each takes some KiB until it is done


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], description: str, travels: bool = False
) -> list[Result]:
    """[function(item) for item in items] with a progress bar; an exception or Ctrl-C abandons what has not begun.

    With `travels` the workers of `dynjax.work.cluster`, where there are any, do it: `function` then shares nothing but
    files with its caller, and its results are small.
    """
    parts = [items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER)]
    with progress_bar(description, len(items)) as advance:
        if travels and cluster.is_there():
            return [result for part in parts for result in cluster.map_on_workers(function, part, advance)]
        with _threads() as pool:

            def run(item: Item) -> Result:
                result = function(item)
                advance(1)
                return result

            return [result for part in parts for result in pool.map(run, part)]


@contextlib.contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """One a core that this process may use."""
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_scans(
    function: Callable[[Item], Result], scans: Sequence[Item], description: str, travels: bool = False
) -> list[Result]:
    """`parallel_map` over scans. Raises: InputError that lists all which `function` refuses, after trying them."""

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
