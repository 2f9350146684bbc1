"""Records the losses, accuracies and seconds of a fold's epochs while it is trained."""

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
    """What is known at the end of an epoch; `epoch` counts from 1."""

    fold: int
    epoch: int
    loss: float
    accuracy: float
    seconds: float


class Record:
    """Reports each epoch when its metrics arrive, while the device already works on what follows.

    Args:
      fold: its number.
      about: the description of the checkpoint that training goes on from: epoch, train_seconds and, where it was saved
        within an epoch, the losses and accuracies of that epoch's steps so far and the seconds that they took.
      on_epoch: is told of each epoch once.
    """

    def __init__(self, fold: int, about: dict[str, Any], on_epoch: Callable[[Epoch], None]):
        self.fold, self.on_epoch, self.done = fold, on_epoch, about["epoch"]
        self.seconds: float = about["train_seconds"]
        self.loss: float | None = about.get("train_loss")
        self.running: list[list[Metrics]] = []  # for each epoch not yet reported, the metrics [S] of its parts
        if about.get("step"):
            self.running.append([Metrics(*np.array(about["steps"], np.float32))])
        self.start = time.monotonic() - about.get("seconds", 0)  # of the epoch that is reported next

    def add(self, epoch: int, metrics: Metrics) -> None:
        """Takes the metrics of the part just dispatched, of an epoch counted from 0; waits for the part before it."""
        self.up_to(epoch)
        if not self.running:
            self.running.append([])
        parts = self.running[-1]
        if parts:
            jax.block_until_ready(parts[-1])
        parts.append(metrics)

    def up_to(self, epochs: int) -> None:
        """Waits for the first `epochs` epochs and reports them. Raises: DynjaxError if a loss is not finite."""
        while self.done < epochs:
            losses, accuracies = _joined(self.running.pop(0))  # [S] each
            self.loss, self.done = losses.mean().item(), self.done + 1
            if not math.isfinite(self.loss):
                raise DynjaxError(_not_finite(self.fold, self.done))
            now = time.monotonic()
            seconds, self.start = now - self.start, now
            self.seconds += seconds
            self.on_epoch(Epoch(self.fold, self.done, self.loss, accuracies.mean().item(), seconds))

    def about(self) -> dict[str, Any]:
        """Describes a checkpoint that is written now."""
        about = {
            "fold": self.fold,
            "train_seconds": self.seconds,
            "train_loss": self.loss,
            "peak_memory_bytes": peak_memory(),
        }
        if self.running:  # within an epoch
            steps = np.stack(_joined(self.running[0]))  # [2, S]
            about |= {"step": steps.shape[1], "seconds": time.monotonic() - self.start, "steps": steps.tolist()}
        return about


def _joined(parts: Sequence[Metrics]) -> tuple[np.ndarray, np.ndarray]:
    """Losses and accuracies, float32 [S] each, of an epoch's parts."""
    losses, accuracies = (np.concatenate([np.asarray(part) for part in each]) for each in zip(*parts))
    return losses, accuracies


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes, without an accelerator's memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _not_finite(fold: int, epoch: int) -> str:
    return (
        f"the loss of fold {fold} is not finite in epoch {epoch}. Lower --config.train.learning_rate, "
        "or look for scans with extreme intensities; earlier checkpoints are kept, and the same command "
        "with a new --workdir starts anew"
    )
