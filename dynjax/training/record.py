"""What is known of the epochs of folds that are trained side by side."""

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dynjax.errors import DynjaxError
from dynjax.training.step import Metrics


class Epoch(NamedTuple):
    """What is known at the end of an epoch; epoch counts from 1."""

    fold: int
    epoch: int
    loss: float
    accuracy: float
    seconds: float  # of folds side by side, an equal share each


class Record:
    """Tells of every epoch once it is over: its metrics are waited for while the next one is under way."""

    def __init__(self, folds: Sequence[int], done: int, seconds: Sequence[float], on_epoch: Callable[[Epoch], None]):
        self.folds, self.done, self.seconds, self.on_epoch = folds, done, list(seconds), on_epoch
        self.running: list[Metrics] = []  # [F, S] of the epochs that were begun and are not told of
        self.start = time.monotonic()

    @property
    def name(self) -> str:
        return f"fold{'s' * (len(self.folds) > 1)} {', '.join(map(str, self.folds))}"

    def up_to(self, epochs: int) -> None:
        """Waits for all epochs before this number. Raises: DynjaxError if a loss is not finite."""
        while self.done < epochs:
            metrics = self.running.pop(0)
            self.losses, accuracies = (np.asarray(each).mean(1).tolist() for each in metrics)
            self.done += 1
            now = time.monotonic()
            share, self.start = (now - self.start) / len(self.folds), now
            for index, (fold, loss) in enumerate(zip(self.folds, self.losses)):
                if not math.isfinite(loss):
                    raise DynjaxError(_not_finite(fold, self.done))
                self.seconds[index] += share
                self.on_epoch(Epoch(fold, self.done, loss, accuracies[index], share))

    def about(self) -> list[dict[str, Any]]:
        """What a checkpoint of each fold is described with, now."""
        memory = peak_memory()
        return [
            {"fold": fold, "train_seconds": seconds, "train_loss": loss, "peak_memory_bytes": memory}
            for fold, seconds, loss in zip(self.folds, self.seconds, self.losses)
        ]


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes; that of an accelerator is not part of it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _not_finite(fold: int, epoch: int) -> str:
    return (
        f"the loss of fold {fold} is not finite in epoch {epoch}. Lower --config.train.learning_rate, "
        "or look for scans with extreme intensities; earlier checkpoints are kept, and the same command "
        "with a new --workdir starts anew"
    )
