"""Training of folds, alone or side by side, from their first epoch or their last checkpoint to their last epoch."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from dynjax import processes
from dynjax.errors import Stopped
from dynjax.models.build import Network, Tree
from dynjax.progress import console
from dynjax.training import checkpoint
from dynjax.training.examples import Images, epoch_order, make_parts, steps_of
from dynjax.training.plan import Plan, make_plan, stack_states
from dynjax.training.record import Epoch, Record
from dynjax.training.saver import Due, Saver
from dynjax.training.selection import Selection
from dynjax.training.step import TrainState, create_state, make_optimizer, make_train_step


class Schedule(NamedTuple):
    """How long and how a fold is trained; all of it but `steps_at_once` is part of a run's identity."""

    epochs: int
    batch_size: int
    learning_rate: float
    checkpoint_every: int  # epochs
    seed: int
    learning_rate_decay: float = 1.0  # what the learning rate is multiplied with after each epoch
    weight_decay: float = 0.0
    side_by_side: int = 1  # folds that are trained as one program
    steps_at_once: int = 1000  # of an epoch, as one program, after which it can be stopped

    def learning_rate_of(self, epoch: int) -> np.float32:
        """That of an epoch counted from 0."""
        return np.float32(self.learning_rate * self.learning_rate_decay**epoch)

    def order_of(self, fold: "Fold", epoch: int) -> np.ndarray:
        """The batches of an epoch counted from 0, int32 [S, B]."""
        return epoch_order(self.seed, fold.number, epoch, len(fold.labels), self.batch_size)


class Fold(NamedTuple):
    """What a fold is trained on, images [N, H, W, C] and labels [N], and the folder of its checkpoints.

    Images that are no array, but have a length and give one image an index, are read as they are needed. `about` is
    kept in every checkpoint. With a `selection` the network of the epoch that scores best is kept besides the last one.
    """

    number: int
    images: Images
    labels: np.ndarray
    folder: Path
    about: dict[str, Any]
    selection: Selection | None = None


class Begun(NamedTuple):
    """A fold, its newest checkpoint that is whole, if there is one, and what that is described with."""

    fold: Fold
    path: Path | None
    about: dict[str, Any]

    @property
    def position(self) -> tuple[int, int, int]:
        """How many epochs are done, how many steps of the next one, of how many examples."""
        return self.about["epoch"], self.about.get("step", 0), len(self.fold.labels)


class Trainer(NamedTuple):
    """Compiled once and used for every fold."""

    initial: Callable[[int], TrainState]
    plan: Plan
    schedule: Schedule
    begin_second_stage: Callable[[TrainState, Fold], TrainState] | None  # after half of the epochs


def make_trainer(
    network: Network, initialise: Callable[[jax.Array], tuple[Tree, Tree]], schedule: Schedule, mesh: Mesh
) -> Trainer:
    """`initialise(key)` gives the first params and batch statistics; the key is a function of seed and fold."""
    optimizer = make_optimizer(schedule.weight_decay)
    plan = make_plan(make_train_step(network, optimizer), mesh, schedule.side_by_side)

    def initial(fold: int) -> TrainState:
        return create_state(*initialise(jax.random.fold_in(fold_key(schedule.seed, fold), 0)), optimizer)

    second_stage = functools.partial(_begin_second_stage, network.join, optimizer) if network.join else None
    return Trainer(initial, plan, schedule, second_stage)


def _begin_second_stage(join: Callable, optimizer, state: TrainState, fold: Fold) -> TrainState:
    """With a new optimizer, so that what is no longer trained stands still."""
    batch_stats = join(state.params, state.batch_stats, fold.images, fold.labels)
    return create_state(state.params, batch_stats, optimizer)._replace(step=state.step)


def fold_key(seed: int, fold: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed), fold)


def step_key(seed: int, fold: int) -> np.ndarray:
    """The data of the key for what is random in a fold's steps."""
    return np.asarray(jax.random.key_data(jax.random.fold_in(fold_key(seed, fold), 1)))


def train_folds(
    trainer: Trainer,
    folds: Sequence[Fold],
    on_start: Callable[[int, int], None],
    on_epoch: Callable[[Epoch], None],
    stop_requested: Callable[[], bool],
    saver: Saver,
) -> None:
    """Trains at most `side_by_side` folds, each from its newest checkpoint; one that is finished is left as it is.

    `on_start` is told each fold's number and how many of its epochs are done already. The last checkpoint is written
    once `saver` is left, if not before.

    Raises: DynjaxError if a loss is not finite; Stopped after a checkpoint, if that was requested.
    """
    epochs, begun = trainer.schedule.epochs, []
    for fold in folds:
        finished = is_finished(fold.folder, epochs)
        begun += [] if finished else [_begin(trainer, fold)]
        on_start(fold.number, epochs if finished else begun[-1].about["epoch"])
    processes.check_same(json.dumps([(each.fold.number, each.fold.about, each.position) for each in begun]))
    for together in _in_step(begun, trainer.schedule.batch_size):
        _train(trainer, together, on_epoch, stop_requested, saver)


def _in_step(begun: list[Begun], batch_size: int) -> Iterator[list[Begun]]:
    """Those that one program can train: with as many epochs and steps done, and as many steps in an epoch."""

    def position(each: Begun) -> tuple[int, int, int]:
        epoch, step, examples = each.position
        return epoch, step, steps_of(examples, batch_size)

    for _, together in groupby(sorted(begun, key=position), position):
        yield list(together)


def _train(
    trainer: Trainer,
    begun: list[Begun],
    on_epoch: Callable[[Epoch], None],
    stop_requested: Callable[[], bool],
    saver: Saver,
) -> None:
    schedule, folds, (done, step, _) = trainer.schedule, [each.fold for each in begun], begun[0].position
    record = Record([fold.number for fold in folds], [each.about for each in begun], on_epoch)
    lanes = folds + folds[-1:] * (schedule.side_by_side - len(folds))  # always as many, so that one program serves all
    run_epoch, place, unstack = trainer.plan
    if any(each.path for each in begun):
        saver.wait()  # Orbax does one thing at a time
    state = place(_first_state(trainer, begun, len(lanes)))
    parts = make_parts(lanes, place, schedule.steps_at_once)
    keys = place(np.stack([step_key(schedule.seed, fold.number) for fold in lanes]))
    while done < schedule.epochs:
        if trainer.begin_second_stage and (done, step) == (schedule.epochs // 2, 0):
            state = place(stack_states([trainer.begin_second_stage(*each) for each in zip(unstack(state), lanes)]))
        orders = np.stack([schedule.order_of(fold, done) for fold in lanes])
        for part in parts(orders[:, step:]):
            state, metrics = run_epoch(state, *part, keys, schedule.learning_rate_of(done))
            record.add(done, metrics)  # which waits for what is before it
            step += metrics.loss.shape[1]
            stop, busy = processes.any_of(stop_requested(), saver.is_busy)
            if stop:
                break
        more, step = divmod(step, orders.shape[1])
        done += more
        last, is_due = done == schedule.epochs, done % schedule.checkpoint_every == 0 and not busy
        if not (last or stop or is_due or folds[0].selection):
            continue
        record.up_to(done)
        _keep(saver, done, zip(folds, unstack(state), record.about()), last, last or stop or is_due)
        if stop:
            break
    if done < schedule.epochs:
        saver.wait()
        within = f", step {step}" if step else ""
        raise Stopped(f"stopped in {record.name} after epoch {done}{within}; the same command goes on from there")


def _keep(saver: Saver, epoch: int, trained: Iterable[tuple[Fold, TrainState, dict]], last: bool, is_due: bool) -> None:
    """Offers each fold's state to its selection, and saves it if that is due."""
    checkpoints = []
    for fold, state, about in trained:
        about = fold.about | about | {"n_train": len(fold.labels)}
        if fold.selection and not about.get("step"):
            saver.wait()  # Orbax does one thing at a time
            fold.selection.offer(state, epoch, about)
        checkpoints.append(Due(fold.folder, state, epoch, about, keep_optimizer=not last))
    if is_due:
        saver.save(checkpoints)


def is_finished(folder: Path, epochs: int) -> bool:
    """Whether a fold's newest checkpoint is that of its last epoch."""
    return checkpoint.epochs_done(folder) >= epochs


def _begin(trainer: Trainer, fold: Fold) -> Begun:
    """Finds the newest checkpoint that is whole. Raises: Damaged, if there are some and none is."""
    shapes, first = jax.eval_shape(lambda: trainer.initial(fold.number)), None
    for path in checkpoint.saved(fold.folder):
        try:
            checkpoint.verify_state(path, shapes)
            return Begun(fold, path, checkpoint.read_about(path))
        except checkpoint.Damaged as error:
            console.print(f"{error.reason}; trying the one before", soft_wrap=True, markup=False)
            first = first or error
    if first is not None:
        raise first
    return Begun(fold, None, {"epoch": 0, "train_seconds": 0.0})


def _first_state(trainer: Trainer, begun: list[Begun], lanes: int) -> TrainState:
    """Of the folds as they were begun, the last one's again up to the number of lanes."""
    states = [_state(trainer, each) for each in begun]
    return stack_states(states + states[-1:] * (lanes - len(states)))


def _state(trainer: Trainer, begun: Begun) -> TrainState:
    number = begun.fold.number
    if begun.path is None:
        return trainer.initial(number)
    return checkpoint.load_state(begun.path, jax.eval_shape(lambda: trainer.initial(number)))
