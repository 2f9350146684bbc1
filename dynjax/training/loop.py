"""Training of one fold, from its first epoch or its last checkpoint to its last epoch."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.errors import DynjaxError, Stopped
from dynjax.models.build import Network, Tree
from dynjax.training import checkpoint
from dynjax.training.plan import epoch_order, make_run_epoch
from dynjax.training.selection import Selection
from dynjax.training.step import TrainState, create_state, make_optimizer, make_train_step


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
    for epoch in range(done, schedule.epochs):
        start = time.monotonic()
        if epoch == schedule.epochs // 2:
            state = trainer.begin_second_stage(state, images, labels)
        order = epoch_order(schedule.seed, fold, epoch, len(labels), schedule.batch_size)
        state, metrics = trainer.run_epoch(state, *on_device, order, key, schedule.learning_rate_of(epoch))
        loss, accuracy = float(metrics.loss.mean()), float(metrics.accuracy.mean())
        if not np.isfinite(loss):
            raise DynjaxError(_not_finite(fold, epoch + 1))
        elapsed = time.monotonic() - start
        seconds += elapsed
        on_epoch(Epoch(fold, epoch + 1, loss, accuracy, elapsed))
        last, stop = epoch + 1 == schedule.epochs, stop_requested()
        about = about | {"fold": fold, "train_seconds": seconds, "train_loss": loss, "n_train": len(labels)}
        if selection is not None:
            selection.offer(state, epoch + 1, about)
        if last or stop or (epoch + 1) % schedule.checkpoint_every == 0:
            checkpoint.save(folder, state, epoch + 1, about, keep_optimizer=not last)
        if stop and not last:
            raise Stopped(f"stopped in fold {fold} after epoch {epoch + 1}; the same command goes on from there")


def is_finished(folder: Path, epochs: int) -> bool:
    """Whether a fold's newest checkpoint is that of its last epoch."""
    newest = checkpoint.latest(folder)
    return newest is not None and checkpoint.read_about(newest)["epoch"] >= epochs


def _resume(trainer: Trainer, fold: int, folder: Path) -> tuple[TrainState, int, float]:
    newest = checkpoint.latest(folder)
    if newest is None:
        return trainer.initial(fold), 0, 0.0
    about = checkpoint.read_about(newest)
    shapes = jax.eval_shape(lambda: trainer.initial(fold))
    return checkpoint.load_state(newest, shapes), about["epoch"], about["train_seconds"]


def _not_finite(fold: int, epoch: int) -> str:
    return (
        f"the loss of fold {fold} is not finite in epoch {epoch}. Lower --config.train.learning_rate, "
        "or look for scans with extreme intensities; earlier checkpoints are kept, and the same command "
        "with a new --workdir starts anew"
    )
