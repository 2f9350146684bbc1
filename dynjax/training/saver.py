"""Checkpoints written while training goes on."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dynjax.training import checkpoint
from dynjax.training.step import TrainState


class Due(NamedTuple):
    """What `checkpoint.save` is called with; the memory of the state is its own."""

    folder: Path
    state: TrainState
    epoch: int
    about: dict[str, Any]
    keep_optimizer: bool


class Saver:
    """Writes the checkpoints of folds while training goes on, one at a time; leaving it waits for the last.

    What went wrong in writing one is raised at the next, or at the end.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1)
        self._saving: Future | None = None

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._thread.shutdown()
        if error is None:
            self.wait()

    @property
    def is_busy(self) -> bool:
        return self._saving is not None and not self._saving.done()

    def save(self, checkpoints: Sequence[Due]) -> None:
        self.wait()
        if jax.process_count() > 1:
            return _save(checkpoints)  # what the processes have to tell each other must not overtake the next epoch's
        for leaf in jax.tree.leaves([due.state for due in checkpoints]):
            leaf.copy_to_host_async()  # while the device goes on
        self._saving = self._thread.submit(_save, checkpoints)

    def wait(self) -> None:
        """Until the last is written. Raises: what went wrong in writing it."""
        if self._saving is not None:
            self._saving.result()


def _save(checkpoints: Sequence[Due]) -> None:
    for due in checkpoints:
        checkpoint.save(*due._replace(state=jax.tree.map(np.asarray, due.state)))
