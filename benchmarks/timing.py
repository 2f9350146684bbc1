"""Times functions in turn, so that a machine that slows down slows all of them."""

import json
import statistics
import time
from collections.abc import Callable

import jax


def medians(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each function, called one after the other `repeats` times after two rounds not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats + 2):
        for name, function in functions.items():
            start = time.perf_counter()
            jax.block_until_ready(function())
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[2:]) for name, times in seconds.items()}


def report(name: str, **figures: object) -> None:
    """One JSON line; floats are seconds or ratios, rounded to four digits."""
    rounded = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps({"name": name, **rounded, "device": jax.devices()[0].device_kind}), flush=True)
