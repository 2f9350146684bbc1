"""Work on many items over the machine's cores. Threads: numpy, scipy and zlib let go of the interpreter's lock."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dynjax.errors import InputError, listed
from dynjax.progress import progress_bar

Item = TypeVar("Item")
Result = TypeVar("Result")
TOGETHER = 1000  # items that are queued at a time: each takes some KiB until it is done


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item], description: str) -> list[Result]:
    """[function(item) for item in items] with a progress bar; an exception or Ctrl-C abandons what has not begun."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    pool = ThreadPoolExecutor(workers)
    try:
        with progress_bar(description, len(items)) as advance:

            def run(item: Item) -> Result:
                result = function(item)
                advance(1)
                return result

            starts = range(0, len(items), TOGETHER)
            return [result for start in starts for result in pool.map(run, items[start : start + TOGETHER])]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_scans(function: Callable[[Item], Result], scans: Sequence[Item], description: str) -> list[Result]:
    """`parallel_map` over scans. Raises: InputError that lists all which `function` refuses, after trying them."""

    def attempt(scan: Item) -> Result | InputError:
        try:
            return function(scan)
        except InputError as error:
            return error

    results = parallel_map(attempt, scans, description)
    refused = [result for result in results if isinstance(result, InputError)]
    if refused:
        raise InputError(f"{len(refused)} of {len(scans)} scans cannot be used:\n{listed(refused)}")
    return [result for result in results if not isinstance(result, InputError)]
