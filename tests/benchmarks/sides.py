"""Work for the benchmarks to time that writes down when it was done."""

import time
from pathlib import Path

from benchmarks.turns import Unavailable, Work


def sleeper(name: str, seconds: float, journal: str) -> Work:
    def run(times):
        start = time.monotonic()
        time.sleep(seconds * times)
        with Path(journal).open("a") as file:
            file.write(f"{name},{start},{time.monotonic()}\n")

    return Work(run, {"name": name})


def absent() -> Work:
    raise Unavailable("not here")


def broken() -> Work:
    raise ValueError("broken on purpose")
