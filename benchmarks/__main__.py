"""Times dynjax beside torch: python -m benchmarks [--only=NAME,NAME] [--repeats=N] [--batch=N] [--quick].

Prints JSON lines. Times are in seconds, medians over rounds in which every side has its turn. `ratio` is dynjax's time
over torch's, `low` and `high` its 95 % interval. `--quick` is a smoke run at tiny sizes; its numbers mean nothing.
"""

import argparse
import json
import os
from typing import Any

from benchmarks.figures import FIGURES, setting
from dynjax.memory import keep_freed_memory


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Times dynjax beside torch.")
    parser.add_argument("--only", type=_names, default=list(FIGURES), help=f"of {', '.join(FIGURES)}; a comma joins")
    parser.add_argument("--repeats", type=_positive, help="rounds of each figure; 9, or as many as 45 seconds allow")
    parser.add_argument("--batch", type=_positive, help="examples a step; 16 images, 2 or 8 volumes")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, two rounds: does everything run?")
    options = parser.parse_args(arguments)
    at = setting(options.repeats, options.quick, options.batch)
    for name in options.only:
        line = {"name": name} | FIGURES[name](at) | {"cores": os.cpu_count()}
        print(json.dumps(_rounded(line)), flush=True)


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in FIGURES]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: no such figure; there are {', '.join(FIGURES)}")
    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text}: not a number of them")
    return int(text)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    keep_freed_memory()  # for both sides: it speeds up torch too
    main()
