"""Repeats a cross-validation: each repeat is a run of its own in DIR/repeat_N, and DIR summarises them.

Repeat N has the config's seed plus N: the same subjects with other folds, initial values, batches and dropout.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from dynjax.cohort.folds import FOLD_COLUMNS
from dynjax.csv_table import read_csv, write_csv
from dynjax.errors import InputError
from dynjax.evaluation.metrics import THRESHOLD
from dynjax.evaluation.predictions import PREDICTION_COLUMNS, by_subject, read_predictions
from dynjax.evaluation.repeated import Repeat, describe_repeats, estimate_repeats
from dynjax.report.results_table import print_repeats
from dynjax.run.results import is_complete, read_results, results_so_far, write_results
from dynjax.run.workdir import Workdir
from dynjax.training import processes


def repeat_config(config: FrozenConfigDict, repeat: int) -> FrozenConfigDict:
    """Returns the config of one repeat."""
    changed = ConfigDict(config.to_dict())
    changed.train.repeats, changed.seed = 1, config.seed + repeat
    return FrozenConfigDict(changed)


def each_repeat(config: FrozenConfigDict, workdir: Workdir, do: Callable[[FrozenConfigDict, Workdir], None]) -> None:
    """Calls `do` for every repeat, and summarises them once all are complete."""
    with processes.first_then_others():
        workdir.claim(config)
    for repeat in range(config.train.repeats):
        print(f"\nrepeat {repeat} of {config.train.repeats}", flush=True)
        do(repeat_config(config, repeat), workdir.repeat(repeat))
    missing = [r for r in range(config.train.repeats) if not is_complete(results_so_far(workdir.repeat(r).results))]
    if missing:
        print(f"not summed up: some folds of repeats {', '.join(map(str, missing))} are not evaluated yet")
    elif processes.is_first():
        _sum_up(config, workdir)


def _sum_up(config: FrozenConfigDict, workdir: Workdir) -> None:
    runs = [workdir.repeat(repeat) for repeat in range(config.train.repeats)]
    found = [read_results(run.results) for run in runs]
    labels, repeats = _read(runs, found)
    results = found[0] | {
        "repeats": len(runs),
        "metrics": estimate_repeats(labels, repeats, config.seed),
        "intervals": describe_repeats(len(runs), config.seed),
        "subgroups": [],  # each repeat's results.json has its own
        "folds": [fold | {"repeat": repeat} for repeat, each in enumerate(found) for fold in each["folds"]],
    }
    _join([run.folds for run in runs], FOLD_COLUMNS, workdir.folds)
    _join([run.predictions for run in runs], PREDICTION_COLUMNS, workdir.predictions)
    write_results(workdir.results, results)
    print_repeats(results)
    print(f"written: {workdir.predictions}, {workdir.results}")


def _read(runs: list[Workdir], found: list[dict]) -> tuple[np.ndarray, list[Repeat]]:
    """Reads labels and probabilities in one order of subjects. Raises: InputError if the repeats' subjects differ."""
    everyone, labels, repeats = None, np.empty(0), []
    for run, results in zip(runs, found):
        predictions = sorted(read_predictions(run.predictions))
        subjects = list(dict.fromkeys(prediction.subject for prediction in predictions))
        if subjects != (everyone := everyone or subjects):
            raise InputError(f"{run}: its subjects are not those of {runs[0]}; start anew with another --workdir")
        threshold = {fold["fold"]: fold.get("threshold", THRESHOLD) for fold in results["folds"]}
        folds, labels, probabilities = by_subject(predictions, results["positive_class"])
        repeats.append(Repeat(probabilities, np.array([threshold[fold] for fold in folds])))
    return labels, repeats


def _join(tables: list[Path], columns: Sequence[str], path: Path) -> None:
    """Writes the lines of every repeat's table one after the other, with a first column `repeat`."""
    rows = [(repeat, *row) for repeat, table in enumerate(tables) for row in read_csv(table, columns, lambda *row: row)]
    write_csv(path, ["repeat", *columns], rows)
