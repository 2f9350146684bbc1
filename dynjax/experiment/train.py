"""`train`: a config carried to its end. Cohort, folds, projection, every fold, evaluation; run again, it goes on."""

import contextlib
import functools
from collections.abc import Iterable, Iterator

import jax
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from dynjax import processes
from dynjax.baselines.features import BASELINES
from dynjax.errors import InputError, UsageError
from dynjax.evaluation.results import is_complete, name_folds, results_so_far
from dynjax.experiment import settings
from dynjax.experiment.baseline import train_baseline
from dynjax.experiment.check import check_first
from dynjax.experiment.data import Data, find_cohort, find_folds, keep_folds, load_data
from dynjax.experiment.display import TrainingDisplay
from dynjax.experiment.evaluate import evaluate_data
from dynjax.experiment.refused import keep_refused
from dynjax.experiment.repeats import each_repeat
from dynjax.experiment.roles import Roles
from dynjax.experiment.runtime import configure_jax, stop_when_asked
from dynjax.experiment.workdir import Workdir
from dynjax.models.build import build_classifier
from dynjax.pretrained.source import find_weights
from dynjax.pretrained.weights import Weights, make_initialiser
from dynjax.projection.project import WHOLE
from dynjax.training import checkpoint
from dynjax.training.events import EventLog
from dynjax.training.loop import Fold, Schedule, Trainer, is_finished, make_trainer, train_fold
from dynjax.training.plan import make_mesh
from dynjax.training.record import Epoch
from dynjax.training.saver import Saver

AT_ONCE = {  # (on a CPU, volumes) -> examples that one program trains on
    (True, True): 1,
    (True, False): 256,
    (False, True): 256,
    (False, False): 8192,
}


def train(
    config: FrozenConfigDict, workdir: Workdir, allow_refused: bool = False, max_hours: float | None = None
) -> None:
    """Trains the folds of `config.train.only_folds`, all by default, and evaluates once every fold is done.

    Scans that are refused end it before it begins; with `allow_refused` they are left out and counted. After
    `max_hours` it stops as soon as the program that is under way has ended.
    Raises: UsageError, InputError, DynjaxError or Stopped, as `dynjax.errors` says; what is saved stays.
    """
    config = settings.resolve(config)
    configure_jax()
    with processes.joined():
        _mesh(config)  # before anything else is done, whether it can be had
        if config.train.repeats > 1:
            each_repeat(config, workdir, lambda own, folder: _train(own, folder, allow_refused, max_hours))
        else:
            _train(config, workdir, allow_refused, max_hours)


def _train(config: FrozenConfigDict, workdir: Workdir, allow_refused: bool, max_hours: float | None) -> None:
    wanted = sorted(set(config.train.only_folds)) or list(range(config.train.folds))
    with contextlib.ExitStack() as held:
        with processes.first_then_others():
            workdir.check(config)
            todo, before = _unfinished(config, workdir, wanted), results_so_far(workdir.results)
            if processes.is_first():
                held.enter_context(workdir.lock_folds(todo))
            data = _prepare(config, workdir, allow_refused, is_done=not todo and is_complete(before))
        if data is None:
            return
        if todo:
            _train_folds(config, workdir, data, todo, max_hours)
        if left := _unfinished(config, workdir, range(config.train.folds)):
            print(f"trained {name_folds(wanted)}; {name_folds(left)} not yet. ", end="")
            print("The run that finds all folds done evaluates.")
        elif processes.is_first():
            _evaluate_once(workdir, data, before)


def _prepare(config: FrozenConfigDict, workdir: Workdir, allow_refused: bool, is_done: bool) -> Data | None:
    """The cohort checked, in the folds that stand in the workdir from here on; None if there is nothing left to do."""
    cohort = find_cohort(config)
    print(cohort.describe(), flush=True)
    cohort, refused = check_first(config, workdir, cohort, allow_refused)
    folds = find_folds(config, workdir, cohort)
    if config.model.name in BASELINES:
        train_baseline(config, workdir, cohort, folds)
        return None
    if is_done:
        print(f"nothing to do: every fold is trained and evaluated, see {workdir.results}")
        return None
    data = load_data(config, cohort, folds)
    workdir.claim(config)  # from here on it is this config's: a table or a scan that is refused leaves no trace
    keep_refused(workdir, refused)
    keep_folds(workdir, cohort, folds)
    _check_unchanged(config, workdir, data)
    return data


def _unfinished(config: FrozenConfigDict, workdir: Workdir, folds: Iterable[int]) -> list[int]:
    return [fold for fold in folds if not is_finished(workdir.fold(fold), config.train.epochs)]


def _evaluate_once(workdir: Workdir, data: Data, before: dict) -> None:
    """Unless another run has done so since `before`: several may find all folds done at the same time."""
    with workdir.lock_evaluation():
        now = results_so_far(workdir.results)
        if is_complete(now) and now != before:
            print(f"nothing left to do: another run has evaluated every fold, see {workdir.results}")
            return
        for fold in range(data.config.train.folds):
            checkpoint.tidy(workdir.fold(fold))
        evaluate_data(workdir, data)


def _train_folds(
    config: FrozenConfigDict, workdir: Workdir, data: Data, todo: list[int], max_hours: float | None
) -> None:
    with processes.first_then_others():
        weights = find_weights(config.model.name, config.model.pretrained)
    origin = _describe(weights)
    _check_same_origin(config, workdir, origin)
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
    """As many as take some ten seconds at most, unless one takes longer."""
    examples = AT_ONCE[jax.default_backend() == "cpu", config.projection.name in WHOLE]
    return max(1, examples // config.train.batch_size)


def _mesh(config: FrozenConfigDict) -> Mesh:
    """Raises: UsageError if there are fewer devices, or if a batch cannot be divided among them."""
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
    """Folds that start from different weights would make a number that means nothing."""
    for about in _kept(config, workdir):
        if (theirs := about["weights"]) != origin:
            names = [w["source"] or "random weights" for w in (theirs, origin)]
            raise UsageError(
                f"{workdir}: fold {about['fold']} started from {names[0]}, this run would start from {names[1]}"
            )


def _check_unchanged(config: FrozenConfigDict, workdir: Workdir, data: Data) -> None:
    """A run whose scans have changed under it must not mix old and new."""
    for about in _kept(config, workdir):
        fold = about["fold"]
        if about["scans"] != data.digests_of(fold):
            raise InputError(
                f"{workdir.fold(fold)}: was trained on scans whose files have changed since; "
                "start anew with another --workdir"
            )


def _kept(config: FrozenConfigDict, workdir: Workdir) -> Iterator[dict]:
    """The description of every checkpoint there is; what is damaged is for those who load it to say."""
    for fold in range(config.train.folds):
        for path in checkpoint.saved(workdir.fold(fold)):
            with contextlib.suppress(checkpoint.Damaged):
                yield checkpoint.read_about(path)
