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
    """The results of a finished epoch; `epoch` counts from 1."""

    fold: int
    epoch: int
    loss: float
    accuracy: float
    seconds: float


class Record:
    """Reports each epoch when its metrics arrive, while the device already runs the next part.

    Args:
      fold: the fold's number.
      about: the description of the checkpoint from which training continues: epoch, train_seconds and, if it was saved
        within an epoch, the losses and accuracies of that epoch's steps so far and the seconds that they took.
      on_epoch: called once for each epoch.
    """

    def __init__(self, fold: int, about: dict[str, Any], on_epoch: Callable[[Epoch], None]):
        self.fold, self.on_epoch, self.done = fold, on_epoch, about["epoch"]
        self.seconds: float = about["train_seconds"]
        self.loss: float | None = about.get("train_loss")
        self.running: list[list[Metrics]] = []  # for each epoch not yet reported, the metrics [S] of its parts
        if about.get("step"):
            self.running.append([Metrics(*np.array(about["steps"], np.float32))])
        self.start = time.monotonic() - about.get("seconds", 0)  # when the epoch that is reported next began

    def add(self, epoch: int, metrics: Metrics) -> None:
        """Adds the metrics of the part just dispatched, of an epoch counted from 0; waits for the part before it."""
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
                raise DynjaxError(diverged("loss", self.fold, self.done))
            now = time.monotonic()
            seconds, self.start = now - self.start, now
            self.seconds += seconds
            self.on_epoch(Epoch(self.fold, self.done, self.loss, accuracies.mean().item(), seconds))

    def about(self) -> dict[str, Any]:
        """Returns the description of a checkpoint written now."""
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
    """Joins an epoch's parts; returns losses and accuracies, float32 [S] each."""
    losses = np.concatenate([np.asarray(part.loss) for part in parts])
    accuracies = np.concatenate([np.asarray(part.accuracy) for part in parts])
    return losses, accuracies


def peak_memory() -> int:
    """Returns the peak resident memory of this process in bytes, without an accelerator's memory."""
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def diverged(what: str, fold: int, epoch: int) -> str:
    """Says that the loss, or another part of training, is no longer a finite number, and what to do."""
    return (
        f"the {what} of fold {fold} is not finite in epoch {epoch}. Lower --config.train.learning_rate, "
        "or look for scans with extreme intensities, and train in a new --workdir; earlier checkpoints are kept"
    )
