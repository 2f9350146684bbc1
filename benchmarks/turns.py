"""Times pieces of work in turn, each in a process of its own; while one works, the others wait.

A machine that slows down then slows all of them alike, and no two compete for its cores.
"""

import contextlib
import math
import multiprocessing
import os
import pkgutil
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

SHORT = 0.2  # seconds: faster work is called several times per turn
COLD = 30.0  # seconds: work that takes longer at first is not called again to measure its speed
RESAMPLES = 2000


class Work(NamedTuple):
    """A piece of work: run(k) does it k times and returns when it is done; `about` describes it."""

    run: Callable[[int], object]
    about: dict[str, Any]


class Unavailable(Exception):
    """A side cannot be measured on this machine; the text says why."""


class Side(NamedTuple):
    """One side of a comparison: 'module:function' and its arguments, which a worker process calls to get a Work."""

    make: str
    arguments: dict[str, Any]


class Worker:
    """A process that makes the work of a side, and does it on request."""

    def __init__(self, side: Side):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, side), daemon=False)
        self._process.start()
        theirs.close()
        self.about: dict[str, Any] = self._receive()

    def run(self, times: int = 1) -> float:
        """Does the work `times` times and returns the seconds of each."""
        self._connection.send(times)
        return self._receive() / times

    def close(self) -> None:
        self._connection.close()
        self._process.join()

    def _receive(self) -> Any:
        try:
            kind, value = self._connection.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"a benchmark's process ended with exit code {self._process.exitcode}") from None
        if kind is not None:
            raise kind(value)
        return value


def _serve(connection, side: Side) -> None:
    os.dup2(2, 1)  # the parent's standard output is only for its JSON lines
    try:
        work = pkgutil.resolve_name(side.make)(**side.arguments)
        connection.send((None, work.about))
        with contextlib.suppress(EOFError):
            while times := connection.recv():
                start = time.perf_counter()
                work.run(times)
                connection.send((None, time.perf_counter() - start))
    except Unavailable as reason:
        connection.send((Unavailable, str(reason)))


class Turns(NamedTuple):
    """The result of a comparison. seconds: [rounds] by side. about: by side. missing: why a side was not measured."""

    seconds: dict[str, list[float]]
    about: dict[str, dict[str, Any]]
    missing: dict[str, str]


def take_turns(sides: dict[str, Side], repeats: int, budget: float, *, run_in: bool = False) -> Turns:
    """Gives each side one turn per round, for `repeats` rounds or until `budget` seconds are spent, at least one.

    The first call, which compiles and warms up, and a second, which tells how many calls make a turn, are not counted.
    With `run_in`, each turn begins with another uncounted call: training runs for hours, and should not pay for memory
    that the system took back while it waited for its turn.
    """
    with contextlib.ExitStack() as stack:
        workers, missing = _start(sides, stack)
        times = {name: _calls_a_turn(worker) for name, worker in workers.items()}
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        start, order = time.monotonic(), list(workers)
        for _ in range(repeats):
            for name in order:
                if run_in:
                    workers[name].run()
                seconds[name].append(workers[name].run(times[name]))
            order.reverse()  # so that no side always follows the slowest
            if time.monotonic() - start > budget:
                break
        return Turns(seconds, {name: worker.about for name, worker in workers.items()}, missing)


def _start(sides: dict[str, Side], stack: contextlib.ExitStack) -> tuple[dict[str, Worker], dict[str, str]]:
    workers, missing = {}, {}
    for name, side in sides.items():
        try:
            workers[name] = Worker(side)
            stack.callback(workers[name].close)
        except Unavailable as reason:
            missing[name] = str(reason)
    return workers, missing


def _calls_a_turn(worker: Worker) -> int:
    first = worker.run()
    return 1 if first > COLD else max(1, min(100, math.ceil(SHORT / worker.run())))


def compare(ours: list[float], theirs: list[float]) -> tuple[float, float | None, float | None]:
    """Returns the ratio of medians and its 95 % bootstrap interval over the rounds, None after a single round."""
    ratio = statistics.median(ours) / statistics.median(theirs)
    if len(ours) < 2:
        return ratio, None, None
    # Both sides are resampled by the same rounds, [RESAMPLES, rounds], because they share the machine's state.
    rounds = np.random.default_rng(0).integers(0, len(ours), (RESAMPLES, len(ours)))
    medians = [np.median(np.array(seconds)[rounds], axis=1) for seconds in (ours, theirs)]
    low, high = np.percentile(medians[0] / medians[1], [2.5, 97.5])
    return ratio, float(low), float(high)
