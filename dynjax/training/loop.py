"""Training of one fold, from its first epoch or its last checkpoint to its last epoch."""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.errors import DynjaxError, Stopped
from dynjax.models.build import Network, Tree
from dynjax.progress import console
from dynjax.training import checkpoint
from dynjax.training.plan import epoch_order, make_run_epoch
from dynjax.training.saver import Saver
from dynjax.training.selection import Selection
from dynjax.training.step import Metrics, TrainState, create_state, make_optimizer, make_train_step


class Schedule(NamedTuple):
    """How long and how a fold is trained; all of it is part of a run's identity."""

    epochs: int
    batch_size: int
    learning_rate: float
    checkpoint_every: int  # epochs
    seed: int
    learning_rate_decay: float = 1.0  # what the learning rate is multiplied with after each epoch
    weight_decay: float = 0.0

    def learning_rate_of(self, epoch: int) -> np.float32:
        """That of an epoch counted from 0."""
        return np.float32(self.learning_rate * self.learning_rate_decay**epoch)


class Epoch(NamedTuple):
    """What is known at the end of an epoch; epoch counts from 1."""

    fold: int
    epoch: int
    loss: float
    accuracy: float
    seconds: float


class Trainer(NamedTuple):
    """Compiled once and used for every fold."""

    initial: Callable[[int], TrainState]
    run_epoch: Callable
    schedule: Schedule
    begin_second_stage: Callable[[TrainState, np.ndarray, np.ndarray], TrainState]  # after half of the epochs


def make_trainer(network: Network, initialise: Callable[[jax.Array], tuple[Tree, Tree]], schedule: Schedule) -> Trainer:
    """`initialise(key)` gives the first params and batch statistics; the key is a function of seed and fold."""
    optimizer = make_optimizer(schedule.weight_decay)
    run_epoch = make_run_epoch(make_train_step(network, optimizer))

    def initial(fold: int) -> TrainState:
        return create_state(*initialise(jax.random.fold_in(fold_key(schedule.seed, fold), 0)), optimizer)

    def begin_second_stage(state: TrainState, images: np.ndarray, labels: np.ndarray) -> TrainState:
        """With a new optimizer, so that what is no longer trained stands still."""
        if network.join is None:
            return state
        batch_stats = network.join(state.params, state.batch_stats, images, labels)
        return create_state(state.params, batch_stats, optimizer)._replace(step=state.step)

    return Trainer(initial, run_epoch, schedule, begin_second_stage)


def fold_key(seed: int, fold: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed), fold)


def train_fold(
    trainer: Trainer,
    fold: int,
    images: np.ndarray,
    labels: np.ndarray,
    folder: Path,
    about: dict[str, Any],
    on_start: Callable[[int], None],
    on_epoch: Callable[[Epoch], None],
    stop_requested: Callable[[], bool],
    selection: Selection | None = None,
) -> None:
    """Trains on the fold's training images [N, H, W, C] and labels [N]; goes on from the newest checkpoint in `folder`.

    A fold that is finished is left as it is. `about` is kept in every checkpoint; `on_start` is told how many epochs
    are done already. With a `selection` the network of the epoch that scores best is kept besides the last one.

    Raises: DynjaxError if the loss is not finite; Stopped after a checkpoint, if that was requested.
    """
    schedule, key = trainer.schedule, jax.random.fold_in(fold_key(trainer.schedule.seed, fold), 1)
    if is_finished(folder, schedule.epochs):
        on_start(schedule.epochs)
        return
    state, done, seconds = _resume(trainer, fold, folder)
    on_start(done)
    on_device = jnp.asarray(images), jnp.asarray(labels)
    record = _Record(fold, done, seconds, on_epoch)
    with Saver(folder) as saver:
        for epoch in range(done, schedule.epochs):
            if epoch == schedule.epochs // 2:
                state = trainer.begin_second_stage(state, images, labels)
            order = epoch_order(schedule.seed, fold, epoch, len(labels), schedule.batch_size)
            state, metrics = trainer.run_epoch(state, *on_device, order, key, schedule.learning_rate_of(epoch))
            record.up_to(epoch)  # the epoch before this one, which is under way by now
            record.running.append(metrics)
            last, stop = epoch + 1 == schedule.epochs, stop_requested()
            is_due = (epoch + 1) % schedule.checkpoint_every == 0 and not saver.is_busy
            if not (last or stop or is_due or selection):
                continue
            record.up_to(epoch + 1)
            about = about | record.about() | {"n_train": len(labels)}
            if selection is not None:
                saver.wait()  # Orbax writes one checkpoint at a time
                selection.offer(state, epoch + 1, about)
            if last or stop or is_due:
                saver.save(state, epoch + 1, about, keep_optimizer=not last)
            if stop:
                break
    if record.done < schedule.epochs:
        raise Stopped(f"stopped in fold {fold} after epoch {record.done}; the same command goes on from there")


class _Record:
    """What is known of a fold's epochs: an epoch's metrics are waited for while the next is under way."""

    def __init__(self, fold: int, done: int, seconds: float, on_epoch: Callable[[Epoch], None]):
        self.fold, self.done, self.seconds, self.on_epoch = fold, done, seconds, on_epoch
        self.running: list[Metrics] = []
        self.start = time.monotonic()

    def up_to(self, epochs: int) -> None:
        """Waits for all epochs before this number. Raises: DynjaxError if a loss is not finite."""
        while self.done < epochs:
            metrics = self.running.pop(0)
            self.loss, accuracy = float(metrics.loss.mean()), float(metrics.accuracy.mean())
            self.done += 1
            if not np.isfinite(self.loss):
                raise DynjaxError(_not_finite(self.fold, self.done))
            now = time.monotonic()
            elapsed, self.start = now - self.start, now
            self.seconds += elapsed
            self.on_epoch(Epoch(self.fold, self.done, self.loss, accuracy, elapsed))

    def about(self) -> dict[str, Any]:
        about = {"fold": self.fold, "train_seconds": self.seconds, "train_loss": self.loss}
        return about | {"peak_memory_bytes": peak_memory()}


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes; that of an accelerator is not part of it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def is_finished(folder: Path, epochs: int) -> bool:
    """Whether a fold's newest checkpoint is that of its last epoch."""
    return max(checkpoint.epochs_saved(folder), default=0) >= epochs


def _resume(trainer: Trainer, fold: int, folder: Path) -> tuple[TrainState, int, float]:
    """From the newest checkpoint that is whole. Raises: Damaged, if there are some and none is."""
    shapes, first = jax.eval_shape(lambda: trainer.initial(fold)), None
    for epoch in checkpoint.epochs_saved(folder):
        path = checkpoint.path_of(folder, epoch)
        try:
            return checkpoint.load_state(path, shapes), epoch, checkpoint.read_about(path)["train_seconds"]
        except checkpoint.Damaged as error:
            console.print(f"{error.reason}; trying the one before", soft_wrap=True, markup=False)
            first = first or error
    if first is not None:
        raise first
    return trainer.initial(fold), 0, 0.0


def _not_finite(fold: int, epoch: int) -> str:
    return (
        f"the loss of fold {fold} is not finite in epoch {epoch}. Lower --config.train.learning_rate, "
        "or look for scans with extreme intensities; earlier checkpoints are kept, and the same command "
        "with a new --workdir starts anew"
    )
