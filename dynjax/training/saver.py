"""Checkpoints written while training goes on."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dynjax.training import checkpoint
from dynjax.training.step import TrainState

REST = 9  # so much longer than the last save took must the pause after it be


class Due(NamedTuple):
    """What `checkpoint.save` is called with; the memory of the state is its own."""

    folder: Path
    state: TrainState
    epoch: int
    about: dict[str, Any]
    keep_optimizer: bool


class Saver:
    """Writes checkpoints while training goes on, with the next fold as well; leaving it waits for the last of them.

    What went wrong in writing one is raised as soon as its caller asks for anything, and at the end in any case.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1)
        self._saving: Future | None = None
        self._not_before = 0.0  # by the monotonic clock

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._thread.shutdown()
        self.wait()

    @property
    def is_busy(self) -> bool:
        """While it writes, and then until writing took a tenth of the time, however short an epoch is.

        Raises: what went wrong in writing the last.
        """
        if self._saving is not None and not self._saving.done():
            return True
        self.wait()
        return time.monotonic() < self._not_before

    def save(self, due: Due) -> None:
        """Waits for the save before, then begins this one."""
        self.wait()
        if jax.process_count() > 1:
            # What the processes have to tell each other must not overtake the next epoch's.
            return self._save(due)
        for leaf in jax.tree.leaves(due.state):
            leaf.copy_to_host_async()  # while the device goes on
        self._saving = self._thread.submit(self._save, due)

    def wait(self) -> None:
        """Until the last is written. Raises: what went wrong in writing it."""
        if self._saving is not None:
            self._saving.result()

    def _save(self, due: Due) -> None:
        start = time.monotonic()
        checkpoint.save(*due._replace(state=jax.tree.map(np.asarray, due.state)))
        end = time.monotonic()
        self._not_before = end + REST * (end - start)
