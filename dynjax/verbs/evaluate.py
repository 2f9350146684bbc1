"""`evaluate`: scores a run's checkpoints again, on its own cohort or on another one."""

from collections.abc import Sequence
from pathlib import Path

from dynjax.baselines.features import BASELINES
from dynjax.cohort.folds import read_folds
from dynjax.errors import InputError, UsageError
from dynjax.report.terminal import print_text
from dynjax.report.wording import name_folds
from dynjax.run.answers import SUBGROUP_COLUMNS
from dynjax.run.baseline import evaluate_baseline
from dynjax.run.data import check_columns, find_cohort, load_data
from dynjax.run.external import Table, evaluate_external
from dynjax.run.inputs import trunk_of
from dynjax.run.refused import without_refused
from dynjax.run.repeats import each_repeat
from dynjax.run.runtime import configure_jax
from dynjax.run.scoring import evaluate_data
from dynjax.run.trained import scored_checkpoint
from dynjax.run.workdir import Workdir
from dynjax.training import processes


def evaluate(
    workdir: Workdir,
    finished_folds: bool = False,
    subgroups: Sequence[str] = (),
    table: str = "",
    out: Path | None = None,
    allow_refused: bool = False,
    label_column: str = "",
    description: str = "",
) -> None:
    """Scores the checkpoints of a workdir again, from its config.json, folds.csv and checkpoints, and the scans.

    A baseline has no checkpoints and is fitted again.

    Args:
      finished_folds: scores only the folds that are trained, and says so in the results.
      subgroups: further columns of the scan table that define subgroups.
      table, out: the scan table of another cohort, whose subjects all networks predict together, and a new folder.
      allow_refused: excludes refused scans of the other cohort instead of ending.
      label_column, description: what `cohort.label_column` and `cohort.description` are for the other table.

    Raises: InputError if a file is missing, damaged or no longer what the networks were trained on.
    """
    columns = tuple(dict.fromkeys((*SUBGROUP_COLUMNS, *subgroups)))
    if table or out or label_column or description:
        if finished_folds or not (table and out):
            raise UsageError("another cohort needs both --table=OTHER.csv and --out=DIR, without --finished-folds")
        return evaluate_external(workdir, Table(table, label_column, description), out, columns, allow_refused)
    if workdir.external.exists():
        raise InputError(workdir.why_no_network())
    config = workdir.read_config()
    configure_jax()
    processes.check_backend()
    if config.train.repeats > 1:
        return each_repeat(config, workdir, lambda _, run: evaluate(run, finished_folds, subgroups))
    cohort = without_refused(workdir, find_cohort(config))
    print_text(cohort.describe())
    check_columns(cohort, subgroups)
    folds = read_folds(workdir.folds, cohort, config.train.folds)
    if config.model.name in BASELINES:
        return evaluate_baseline(config, workdir, cohort, folds, columns)
    paths = {fold: scored_checkpoint(workdir, fold) for fold in range(config.train.folds)}
    missing = [fold for fold, path in paths.items() if path is None]
    if len(missing) == len(paths):
        raise InputError(workdir.why_no_network())
    if missing and not finished_folds:
        advice = "run train on this workdir first, or score the others with --finished-folds"
        raise InputError(f"{workdir}: {name_folds(missing)} not trained to the end; {advice}")
    data = load_data(config, cohort, folds, trunk_of(config, workdir))
    with workdir.lock_evaluation():
        evaluate_data(workdir, data, columns)
