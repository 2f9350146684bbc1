"""Checkpoints written while training goes on."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dynjax.training import checkpoint
from dynjax.training.step import TrainState


class Saver:
    """Writes the checkpoints of a fold, one at a time, from copies; leaving it waits for the last.

    What went wrong in writing one is raised at the next, or at the end.
    """

    def __init__(self, folder: Path):
        self.folder, self._thread = folder, ThreadPoolExecutor(1)
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

    def save(self, state: TrainState, epoch: int, about: dict[str, Any], keep_optimizer: bool) -> None:
        self.wait()
        copy = jax.tree.map(np.array, state)  # the next epoch takes the state's memory
        self._saving = self._thread.submit(checkpoint.save, self.folder, copy, epoch, about, keep_optimizer)

    def wait(self) -> None:
        """Until the last is written. Raises: what went wrong in writing it."""
        if self._saving is not None:
            self._saving.result()
