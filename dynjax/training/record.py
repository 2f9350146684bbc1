"""What is known of the epochs of folds that are trained side by side."""

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
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
    """Tells of every epoch once it is over: its metrics are waited for while what follows is under way.

    Args: the folds' numbers, and what their checkpoints are described with: epoch, train_seconds and, where they were
      saved within an epoch, the losses and accuracies of its steps, and the seconds that these took.
    """

    def __init__(self, folds: Sequence[int], abouts: Sequence[dict[str, Any]], on_epoch: Callable[[Epoch], None]):
        self.folds, self.on_epoch, self.done = folds, on_epoch, abouts[0]["epoch"]
        self.seconds = [about["train_seconds"] for about in abouts]
        self.losses: list[Any] = [about.get("train_loss") for about in abouts]
        self.running: list[list[Metrics]] = []  # of the epochs that were begun and are not told of: [F, S] of each part
        if abouts[0].get("step"):
            self.running.append([Metrics(*np.array([about["steps"] for about in abouts], np.float32).swapaxes(0, 1))])
        self.start = time.monotonic() - len(folds) * abouts[0].get("seconds", 0)  # since the epoch began

    @property
    def name(self) -> str:
        return f"fold{'s' * (len(self.folds) > 1)} {', '.join(map(str, self.folds))}"

    def add(self, epoch: int, metrics: Metrics) -> None:
        """Of a part of an epoch, counted from 0, that was just begun; waits for all before it."""
        self.up_to(epoch)
        if not self.running:
            self.running.append([])
        if parts := self.running[-1]:
            jax.block_until_ready(parts[-1])
        parts.append(metrics)

    def up_to(self, epochs: int) -> None:
        """Waits for all epochs before this number. Raises: DynjaxError if a loss is not finite."""
        while self.done < epochs:
            self.losses, accuracies = (steps.mean(1).tolist() for steps in _joined(self.running.pop(0)))
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
        common: dict[str, Any] = {"peak_memory_bytes": peak_memory()}
        abouts = [
            {"fold": fold, "train_seconds": seconds, "train_loss": loss} | common
            for fold, seconds, loss in zip(self.folds, self.seconds, self.losses)
        ]
        if self.running:  # within an epoch
            steps = np.stack(_joined(self.running[0]), 1)
            within = {"step": steps.shape[2], "seconds": (time.monotonic() - self.start) / len(self.folds)}
            abouts = [about | within | {"steps": of.tolist()} for about, of in zip(abouts, steps)]
        return abouts


def _joined(parts: Sequence[Metrics]) -> tuple[np.ndarray, ...]:
    """Losses and accuracies float32 [F, S]."""
    return tuple(np.concatenate([np.asarray(part) for part in each], 1) for each in zip(*parts))


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes; that of an accelerator is not part of it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _not_finite(fold: int, epoch: int) -> str:
    return (
        f"the loss of fold {fold} is not finite in epoch {epoch}. Lower --config.train.learning_rate, "
        "or look for scans with extreme intensities; earlier checkpoints are kept, and the same command "
        "with a new --workdir starts anew"
    )
