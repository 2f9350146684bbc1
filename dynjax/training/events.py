"""Writes and reads events.jsonl, a line for each epoch of each fold; several runs of one workdir may write to it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dynjax.files import append_text, lock, write_text

NUMBERS = ("fold", "epoch", "loss")  # that every event has


class EventLog:
    """A JSON-lines file of events; when a fold is resumed, `rewind` removes the lines of epochs that it repeats."""

    def __init__(self, path: Path):
        self.path = path
        self.lock_file = path.with_name(f".{path.name}.lock")

    def append(self, event: dict[str, Any]) -> None:
        """Appends one event, which must not hold NaN or infinity."""
        with lock(self.lock_file):
            append_text(self.path, json.dumps(event, allow_nan=False) + "\n")

    def rewind(self, fold: int, epoch: int) -> None:
        """Removes the fold's lines after `epoch`, and any line that a kill cut short."""
        with lock(self.lock_file):
            if not self.path.exists():
                return
            kept = [line for line in read_events(self.path) if not (line["fold"] == fold and line["epoch"] > epoch)]
            write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the events of an existing log and skips any line that a kill cut short, or that is none."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict) and all(isinstance(event.get(name), int | float) for name in NUMBERS):
                yield event
