"""Writes checkpoints in a thread while training goes on."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dynjax.training import checkpoint
from dynjax.training.step import TrainState

REST = 9  # the pause after a save, as a multiple of the time that it took


class Due(NamedTuple):
    """The arguments of `checkpoint.save`; the state must be a copy that training does not overwrite."""

    folder: Path
    state: TrainState
    epoch: int
    about: dict[str, Any]
    keep_optimizer: bool


class Saver:
    """Writes checkpoints while training goes on, even with the next fold; leaving the `with` block waits for the last.

    An error in writing is raised at the next use of the saver, and at the latest when the block is left.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1)
        self._saving: Future | None = None
        self._not_before = 0.0  # when the next save may begin, by the monotonic clock

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._thread.shutdown()
        self.wait()

    @property
    def is_busy(self) -> bool:
        """Whether it is writing or pausing; the pause keeps writing to a tenth of the time, however short an epoch is.

        Raises: the error of the last save, if it failed.
        """
        if self._saving is not None and not self._saving.done():
            return True
        self.wait()
        return time.monotonic() < self._not_before

    def save(self, due: Due) -> None:
        """Waits for the save before, then begins this one. Raises: the error of the save before, if it failed."""
        self.wait()
        if jax.process_count() > 1:
            # Saving exchanges messages between processes; in a thread these could overtake the next epoch's.
            return self._save(due)
        for leaf in jax.tree.leaves(due.state):
            leaf.copy_to_host_async()  # while the device goes on
        self._saving = self._thread.submit(self._save, due)

    def wait(self) -> None:
        """Waits until the last checkpoint is written. Raises: the error of that save, if it failed."""
        if self._saving is not None:
            self._saving.result()

    def _save(self, due: Due) -> None:
        start = time.monotonic()
        checkpoint.save(*due._replace(state=jax.tree.map(np.asarray, due.state)))
        end = time.monotonic()
        self._not_before = end + REST * (end - start)
