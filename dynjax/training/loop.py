"""Trains a fold from its newest checkpoint, or from its first epoch, to its last epoch."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from dynjax.errors import DynjaxError, Stopped
from dynjax.models.build import Network, Tree
from dynjax.training import checkpoint, processes
from dynjax.training.examples import Images, Parts, epoch_order, make_parts
from dynjax.training.plan import Plan, make_plan
from dynjax.training.record import Epoch, Record, diverged
from dynjax.training.saver import Due, Saver
from dynjax.training.selection import Selection
from dynjax.training.step import TrainState, create_state, make_optimizer, make_train_step
from dynjax.work.progress import console


class Schedule(NamedTuple):
    """How and for how long a fold is trained; every field except `steps_at_once` is part of a run's identity."""

    epochs: int
    batch_size: int
    learning_rate: float
    checkpoint_every: int  # epochs
    seed: int
    learning_rate_decay: float = 1.0  # multiplies the learning rate after each epoch
    weight_decay: float = 0.0
    steps_at_once: int = 1000  # steps per call of run_epoch; training can be stopped between two calls

    def learning_rate_of(self, epoch: int) -> np.float32:
        """Returns the learning rate of an epoch, counted from 0."""
        return np.float32(self.learning_rate * self.learning_rate_decay**epoch)

    def order_of(self, fold: "Fold", epoch: int) -> np.ndarray:
        """Returns the indices of an epoch's batches, int32 [S, B]; the epoch is counted from 0."""
        return epoch_order(self.seed, fold.number, epoch, len(fold.labels), self.batch_size)


class Fold(NamedTuple):
    """A fold's training images [N, H, W, C], their labels [N], and the folder of its checkpoints.

    Images that are not an array are read when they are needed. Every checkpoint stores `about`. With a `selection`, the
    network of the epoch that scores best is kept beside the last one.
    """

    number: int
    images: Images
    labels: np.ndarray
    folder: Path
    about: dict[str, Any]
    selection: Selection | None = None


class Position(NamedTuple):
    """How far a fold is trained: the number of whole epochs, and of steps in the next one."""

    epoch: int
    step: int

    def after(self, steps: int, of: int) -> "Position":
        """Returns the position `steps` later, in epochs of `of` steps."""
        epochs, step = divmod(self.step + steps, of)
        return Position(self.epoch + epochs, step)

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + (f", step {self.step}" if self.step else "")


class Trainer(NamedTuple):
    """Everything that the folds share, compiled once."""

    initial: Callable[[int], TrainState]  # the initial state of a fold, by its number
    plan: Plan
    schedule: Schedule
    begin_second_stage: Callable[[TrainState, Fold], TrainState] | None  # called after half of the epochs


def make_trainer(
    network: Network, initialise: Callable[[jax.Array], tuple[Tree, Tree]], schedule: Schedule, mesh: Mesh
) -> Trainer:
    """Makes the trainer of a network on the devices of `mesh`.

    `initialise(key)` gives the initial parameters and batch statistics; the key depends only on seed and fold.
    """
    optimizer = make_optimizer(schedule.weight_decay)
    plan = make_plan(make_train_step(network, optimizer), mesh)

    def initial(fold: int) -> TrainState:
        return create_state(*initialise(jax.random.fold_in(fold_key(schedule.seed, fold), 0)), optimizer)

    second_stage = functools.partial(_begin_second_stage, network.join, optimizer) if network.join else None
    return Trainer(initial, plan, schedule, second_stage)


def _begin_second_stage(join: Callable, optimizer, state: TrainState, fold: Fold) -> TrainState:
    """Joins the network and starts a new optimizer, because the old one's momentum would move frozen parameters."""
    batch_stats = join(state.params, state.batch_stats, fold.images, fold.labels)
    return create_state(state.params, batch_stats, optimizer)._replace(step=state.step)


def fold_key(seed: int, fold: int) -> jax.Array:
    """Returns the key from which all randomness of a fold's training is derived."""
    return jax.random.fold_in(jax.random.key(seed), fold)


def step_key(seed: int, fold: int) -> np.ndarray:
    """Returns the key data, uint32 [2], from which the randomness of a fold's steps is derived."""
    return np.asarray(jax.random.key_data(jax.random.fold_in(fold_key(seed, fold), 1)))


class Run(NamedTuple):
    """Everything that the loop needs while it trains one fold."""

    trainer: Trainer
    fold: Fold
    parts: Parts
    record: Record
    saver: Saver
    stop_requested: Callable[[], bool]


def train_fold(
    trainer: Trainer,
    fold: Fold,
    on_start: Callable[[int, int], None],
    on_epoch: Callable[[Epoch], None],
    stop_requested: Callable[[], bool],
    saver: Saver,
) -> None:
    """Trains a fold from its newest checkpoint to its last epoch; leaves a finished fold as it is.

    Args:
      on_start: called with the fold's number and the number of epochs already done.
      on_epoch: called once with each epoch's metrics.
      stop_requested: asked between two calls of the device.
      saver: writes the checkpoints; the last one is certain to be on the disk only after the saver's `with` block.

    Raises: DynjaxError if a loss, or a network that would be saved, is not finite; Damaged if no checkpoint can be
      read; Stopped, after a checkpoint, if a stop was requested.
    """
    schedule, plan = trainer.schedule, trainer.plan
    if is_finished(fold.folder, schedule.epochs):
        return on_start(fold.number, schedule.epochs)
    path, about = _newest(trainer, fold)
    position = Position(about["epoch"], about.get("step", 0))
    processes.check_same(json.dumps([fold.number, fold.about, position, len(fold.labels)]))
    on_start(fold.number, position.epoch)
    if path:
        saver.wait()  # Orbax loses a checkpoint that it is writing if it reads another meanwhile
    state = plan.place(_state(trainer, fold.number, path))
    parts = make_parts(fold.images, fold.labels, plan.place, schedule.steps_at_once)
    run = Run(trainer, fold, parts, Record(fold.number, about, on_epoch), saver, stop_requested)
    if trainer.begin_second_stage:
        half = Position(schedule.epochs // 2, 0)
        state, position = _train(run, state, position, half.epoch)
        if position == half:
            state = plan.place(trainer.begin_second_stage(plan.snapshot(state), fold))
    _train(run, state, position, schedule.epochs)


def _train(run: Run, state: TrainState, position: Position, epochs: int) -> tuple[TrainState, Position]:
    """Trains until `epochs` epochs are done. Raises: Stopped, once everything is saved."""
    trainer, fold, parts, record, saver, stop_requested = run
    schedule, (run_epoch, place, snapshot) = trainer.schedule, trainer.plan
    key, stop = place(step_key(schedule.seed, fold.number)), False
    while position.epoch < epochs:
        epoch, order = position.epoch, schedule.order_of(fold, position.epoch)
        for part in parts(order[position.step :]):
            state, metrics = run_epoch(state, *part, key, schedule.learning_rate_of(epoch))
            record.add(epoch, metrics)
            position = position.after(len(metrics.loss), len(order))
            stop, is_busy = processes.any_of(stop_requested(), saver.is_busy)
            if stop:
                break
        is_due = stop or _is_due(schedule, position, is_busy)
        if is_due or fold.selection:
            record.up_to(position.epoch)
            kept = snapshot(state)
            if position.epoch == schedule.epochs:
                _check_loss(run, state, part, key)  # takes the state's memory
                state = kept
            _keep(run, kept, position, is_due)
        if stop and position.epoch < schedule.epochs:
            saver.wait()
            raise Stopped(f"stopped in fold {fold.number} after {position}; the same command continues from there")
    return state, position


def _check_loss(run: Run, state: TrainState, part: tuple, key: Any) -> None:
    """Raises DynjaxError if the loss after the last update is not finite: each loss so far is of before an update.

    It is that of the first batch of the last part, from the same program, without a learning rate.
    """
    _, metrics = run.trainer.plan.run_epoch(state, *part, key, np.float32(0))
    if not np.isfinite(np.asarray(metrics.loss)[0]):
        raise DynjaxError(diverged("loss", run.fold.number, run.trainer.schedule.epochs))


@jax.jit
def _are_finite(arrays: Tree) -> jax.Array:
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(arrays)]).all()


def _is_due(schedule: Schedule, position: Position, is_busy: bool) -> bool:
    """Whether an epoch ends with a checkpoint: always the last one, others only while the saver is not busy."""
    return position.epoch == schedule.epochs or (position.epoch % schedule.checkpoint_every == 0 and not is_busy)


def _keep(run: Run, state: TrainState, position: Position, is_due: bool) -> None:
    """Offers the state to the fold's selection and saves it if it is due. Raises: DynjaxError for NaN in it."""
    fold, saver = run.fold, run.saver
    if not _are_finite((state.params, state.batch_stats)):
        raise DynjaxError(diverged("network", fold.number, position.epoch))
    about = fold.about | run.record.about() | {"n_train": len(fold.labels)}
    if fold.selection and not position.step:
        saver.wait()  # Orbax writes one checkpoint at a time
        fold.selection.offer(state, position.epoch, about)
    if is_due:
        is_last = position.epoch == run.trainer.schedule.epochs
        saver.save(Due(fold.folder, state, position.epoch, about, keep_optimizer=not is_last))


def is_finished(folder: Path, epochs: int) -> bool:
    """Whether a fold's newest checkpoint is that of its last epoch."""
    return checkpoint.epochs_done(folder) >= epochs


def _newest(trainer: Trainer, fold: Fold) -> tuple[Path | None, dict[str, Any]]:
    """Finds the newest undamaged checkpoint and its description. Raises: Damaged if every checkpoint is."""
    shapes = jax.eval_shape(lambda: trainer.initial(fold.number))
    first_error = None
    for path in checkpoint.saved(fold.folder):
        try:
            checkpoint.verify_state(path, shapes)
            return path, checkpoint.read_about(path)
        except checkpoint.Damaged as error:
            console.print(f"{error.reason}; trying the one before", soft_wrap=True, markup=False)
            first_error = first_error or error
    if first_error is not None:
        raise first_error
    return None, {"epoch": 0, "train_seconds": 0.0}


def _state(trainer: Trainer, fold: int, path: Path | None) -> TrainState:
    """Loads the state from a checkpoint, or makes the initial one."""
    if path is None:
        return trainer.initial(fold)
    return checkpoint.load_state(path, jax.eval_shape(lambda: trainer.initial(fold)))
