"""Trains the folds of a run, one after the other."""

import contextlib
import functools
from collections.abc import Iterator

import jax
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from dynjax.errors import InputError, UsageError
from dynjax.models.build import build_classifier
from dynjax.pretrained.source import find_weights
from dynjax.pretrained.weights import Weights, make_initialiser
from dynjax.projection.project import WHOLE
from dynjax.run import settings
from dynjax.run.data import Data
from dynjax.run.display import TrainingDisplay
from dynjax.run.inputs import origin_of
from dynjax.run.roles import Roles
from dynjax.run.runtime import stop_when_asked
from dynjax.run.solving import solve_folds
from dynjax.run.workdir import Workdir
from dynjax.training import checkpoint, processes
from dynjax.training.events import EventLog
from dynjax.training.loop import Fold, Schedule, Trainer, make_trainer, train_fold
from dynjax.training.plan import make_mesh
from dynjax.training.record import Epoch
from dynjax.training.saver import Saver

AT_ONCE = {  # (on a CPU, on volumes) -> the examples of one call
    (True, True): 1,
    (True, False): 256,
    (False, True): 256,
    (False, False): 8192,
}


def train_folds(
    config: FrozenConfigDict, workdir: Workdir, data: Data, todo: list[int], max_hours: float | None
) -> None:
    """Trains the folds `todo`, or solves them; those that are trained share one compiled program.

    Raises: UsageError if other folds of the run started from other weights; DynjaxError or Stopped as `train_fold`.
    """
    if data.trunk is None:
        with processes.first_then_others():
            weights = find_weights(config.model.name, config.model.pretrained)
        origin = _describe(weights)
    else:
        weights, origin = None, origin_of(data.trunk)
    _check_same_origin(config, workdir, origin)
    if settings.is_solved(config):
        with stop_when_asked(max_hours) as stop_requested:
            return solve_folds(config, workdir, data, todo, origin, stop_requested)
    trainer = _make_trainer(config, weights)
    log = EventLog(workdir.events) if processes.is_first() else None
    with (
        stop_when_asked(max_hours) as stop_requested,
        TrainingDisplay(todo, config.train.epochs) as display,
        Saver() as saver,
    ):
        for number in todo:
            train_fold(
                trainer,
                _fold(config, workdir, data, number, origin),
                on_start=functools.partial(_begin, log, display),
                on_epoch=functools.partial(_record, log, display),
                stop_requested=stop_requested,
                saver=saver,
            )


def _fold(config: FrozenConfigDict, workdir: Workdir, data: Data, number: int, origin: dict) -> Fold:
    roles = Roles.of(data, number)
    about = {"config": settings.to_dict(config), "weights": origin, "scans": data.digests_of(number)}
    return Fold(
        number,
        data.images(roles.training, config.model.dtype),
        data.targets[roles.training],
        workdir.fold(number),
        about | {"n_validation": roles.n_validation},
        roles.selection(data, workdir.selected(number)),
    )


def _make_trainer(config: FrozenConfigDict, weights: Weights | None) -> Trainer:
    network = build_classifier(config.model.name, settings.input_size(config), settings.network_options(config))
    train = config.train
    schedule = Schedule(
        epochs=train.epochs,
        batch_size=train.batch_size,
        learning_rate=train.learning_rate,
        checkpoint_every=train.checkpoint_every,
        seed=config.seed,
        learning_rate_decay=train.learning_rate_decay,
        weight_decay=train.weight_decay,
        steps_at_once=_steps_at_once(config),
    )
    return make_trainer(network, make_initialiser(network, weights), schedule, _mesh(config))


def _steps_at_once(config: FrozenConfigDict) -> int:
    """Chooses how many steps run at once: some ten seconds of them at most, but at least one."""
    examples = AT_ONCE[jax.default_backend() == "cpu", config.projection.name in WHOLE]
    return max(1, examples // config.train.batch_size)


def check_devices(config: FrozenConfigDict) -> None:
    """Raises UsageError if there are fewer devices than `train.devices`, or a batch cannot be divided among them."""
    _mesh(config)


def _mesh(config: FrozenConfigDict) -> Mesh:
    return make_mesh(config.train.devices, config.train.batch_size)


def _begin(log: EventLog | None, display: TrainingDisplay, fold: int, done: int) -> None:
    if log:
        log.rewind(fold, done)
    display.start(fold, done)


def _record(log: EventLog | None, display: TrainingDisplay, epoch: Epoch) -> None:
    if log:
        log.append(epoch._asdict())
    display.show(epoch)


def _describe(weights: Weights | None) -> dict:
    if weights is None:
        return {"pretrained": False, "source": None, "sha256": None}
    return {"pretrained": True, "source": weights.source, "sha256": weights.sha256}


def _check_same_origin(config: FrozenConfigDict, workdir: Workdir, origin: dict) -> None:
    """Raises UsageError if another fold started from other weights: a score over both would mean nothing."""
    for about in _kept(config, workdir):
        if (theirs := about["weights"]) != origin:
            names = [w["source"] or "random weights" for w in (theirs, origin)]
            raise UsageError(
                f"{workdir}: fold {about['fold']} started from {names[0]}, this run would start from {names[1]}"
            )


def check_unchanged(config: FrozenConfigDict, workdir: Workdir, data: Data) -> None:
    """Raises InputError if a fold was trained on scans that have changed since: a run must not mix old and new."""
    for about in _kept(config, workdir):
        fold = about["fold"]
        if about["scans"] != data.digests_of(fold):
            raise InputError(
                f"{workdir.fold(fold)}: was trained on scans whose files have changed since; "
                "start anew with another --workdir"
            )


def _kept(config: FrozenConfigDict, workdir: Workdir) -> Iterator[dict]:
    """Yields the description of every checkpoint; a damaged one is reported when it is loaded."""
    for fold in range(config.train.folds):
        for path in checkpoint.saved(workdir.fold(fold)):
            with contextlib.suppress(checkpoint.Damaged):
                yield checkpoint.read_about(path)
