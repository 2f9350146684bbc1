"""Runs a cross-validation: checks the cohort, makes the folds, trains each and evaluates; run again, it resumes."""

import contextlib
from collections.abc import Iterable

from ml_collections import FrozenConfigDict

from dynjax.baselines.features import BASELINES
from dynjax.report.terminal import print_text
from dynjax.report.wording import name_folds
from dynjax.run.baseline import train_baseline
from dynjax.run.checking import check_first
from dynjax.run.data import Data, find_cohort, find_folds, keep_folds, load_data
from dynjax.run.fold_training import check_devices, check_unchanged, train_folds
from dynjax.run.inputs import make_trunk_of
from dynjax.run.recipe import with_own_recipe
from dynjax.run.repeats import each_repeat
from dynjax.run.results import is_complete, results_so_far
from dynjax.run.scoring import evaluate_data
from dynjax.run.workdir import Workdir
from dynjax.training import checkpoint, processes
from dynjax.training.loop import is_finished


def cross_validate(
    config: FrozenConfigDict, workdir: Workdir, allow_refused: bool = False, max_hours: float | None = None
) -> None:
    """Trains the folds of `config.train.only_folds`, all by default, and evaluates once every fold is done.

    A refused scan ends the run before training; with `allow_refused`, refused scans are excluded and counted. After
    `max_hours` training stops as soon as the running program has ended.
    Raises: UsageError, InputError, DynjaxError or Stopped, as `dynjax.errors` says; everything saved is kept.
    """
    with processes.joined():
        check_devices(config)  # fails early
        config = with_own_recipe(config, workdir)
        if config.train.repeats > 1:
            each_repeat(config, workdir, lambda own, folder: _cross_validate(own, folder, allow_refused, max_hours))
        else:
            _cross_validate(config, workdir, allow_refused, max_hours)


def _cross_validate(config: FrozenConfigDict, workdir: Workdir, allow_refused: bool, max_hours: float | None) -> None:
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
            train_folds(config, workdir, data, todo, max_hours)
        if left := _unfinished(config, workdir, range(config.train.folds)):
            done = f"trained {name_folds(wanted)}; {name_folds(left)} not yet"
            print_text(f"{done}. The run that finds all folds done evaluates.")
        elif processes.is_first():
            _evaluate_once(workdir, data, before)


def _prepare(config: FrozenConfigDict, workdir: Workdir, allow_refused: bool, is_done: bool) -> Data | None:
    """Checks the cohort and writes its folds into the workdir; returns None if there is nothing left to do."""
    cohort = find_cohort(config)
    print_text(cohort.describe())
    cohort, refused = check_first(config, workdir, cohort, allow_refused)
    folds = find_folds(config, workdir, cohort)
    if config.model.name in BASELINES:
        train_baseline(config, workdir, cohort, folds, refused)
        return None
    if is_done:
        print_text(f"nothing to do: every fold is trained and evaluated, see {workdir.results}")
        return None
    data = load_data(config, cohort, folds)
    workdir.claim(config)  # only now: a refused table or scan leaves the workdir free for another config
    folds = keep_folds(workdir, cohort, folds, refused)
    data = data._replace(folds=folds, trunk=make_trunk_of(config, workdir))
    check_unchanged(config, workdir, data)
    return data


def _unfinished(config: FrozenConfigDict, workdir: Workdir, folds: Iterable[int]) -> list[int]:
    return [fold for fold in folds if not is_finished(workdir.fold(fold), config.train.epochs)]


def _evaluate_once(workdir: Workdir, data: Data, before: dict) -> None:
    """Evaluates, unless another run has done so since `before`: several may find all folds done at the same time."""
    with workdir.lock_evaluation():
        now = results_so_far(workdir.results)
        if is_complete(now) and now != before:
            print_text(f"nothing left to do: another run has evaluated every fold, see {workdir.results}")
            return
        for fold in range(data.config.train.folds):
            checkpoint.tidy(workdir.fold(fold))
        evaluate_data(workdir, data)
