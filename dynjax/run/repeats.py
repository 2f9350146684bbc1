"""Repeats a cross-validation: each repeat is a run of its own in DIR/repeat_N, and DIR summarises them.

Each repeat has a seed of its own: the same subjects with other folds, initial values, batches and dropout.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from dynjax.cohort.folds import FOLD_COLUMNS
from dynjax.csv_table import read_csv, write_csv
from dynjax.errors import InputError, UsageError
from dynjax.evaluation.metrics import THRESHOLD
from dynjax.evaluation.predictions import PREDICTION_COLUMNS, by_subject, read_predictions
from dynjax.evaluation.repeated import Repeat, describe_repeats, estimate_repeats
from dynjax.report.results_table import print_repeats
from dynjax.report.terminal import print_text
from dynjax.run.keys import LARGEST_SEED
from dynjax.run.results import is_complete, read_results, results_so_far, write_results
from dynjax.run.workdir import Workdir
from dynjax.training import processes

APART = 100  # seeds from one run's repeats to those of the next seed: `train.repeats` is at most as many


def repeat_seeds(config: FrozenConfigDict, workdir: Workdir | None = None) -> list[int]:
    """Returns the seed of each repeat; those of runs with different seeds have none in common.

    Repeat N has 100 times the config's seed plus N. A run that an earlier version began goes on with that version's
    seeds, the config's plus N, which the repeats in its `workdir` show.
    Raises: UsageError if the config's seed is too large for that; InputError if a repeat's config is damaged.
    """
    repeats = range(config.train.repeats)
    if len(repeats) == 1:
        return [config.seed]
    before, now = ([seed + repeat for repeat in repeats] for seed in (config.seed, APART * config.seed))
    begun = {repeat: workdir.repeat(repeat) for repeat in repeats} if workdir else {}
    own = {repeat: run.read_config().seed for repeat, run in begun.items() if run.config.exists()}
    if any(seed == before[repeat] != now[repeat] for repeat, seed in own.items()):
        return before
    if now[-1] > LARGEST_SEED:
        raise UsageError(f"seed={config.seed}: at most {LARGEST_SEED // APART - 1} where train.repeats is above 1")
    return now


def _repeat_config(config: FrozenConfigDict, seed: int) -> FrozenConfigDict:
    changed = ConfigDict(config.to_dict())
    changed.train.repeats, changed.seed = 1, seed
    return FrozenConfigDict(changed)


def each_repeat(config: FrozenConfigDict, workdir: Workdir, do: Callable[[FrozenConfigDict, Workdir], None]) -> None:
    """Calls `do` for every repeat, and summarises them once all are complete. Raises: as `repeat_seeds`."""
    seeds = repeat_seeds(config, workdir)
    with processes.first_then_others():
        workdir.claim(config)
    for repeat, seed in enumerate(seeds):
        print_text(f"\nrepeat {repeat} of {config.train.repeats}")
        do(_repeat_config(config, seed), workdir.repeat(repeat))
    missing = [r for r in range(config.train.repeats) if not is_complete(results_so_far(workdir.repeat(r).results))]
    if missing:
        print_text(f"not summed up: some folds of repeats {', '.join(map(str, missing))} are not evaluated yet")
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
        "provenance": found[0]["provenance"] | {"seed": config.seed, "repeats": _digests(found)},
    }
    _join([run.folds for run in runs], FOLD_COLUMNS, workdir.folds)
    _join([run.predictions for run in runs], PREDICTION_COLUMNS, workdir.predictions)
    write_results(workdir.results, results)
    print_repeats(results)
    print_text(f"written: {workdir.predictions}, {workdir.results}")


def _digests(found: list[dict]) -> list[dict]:
    """Returns what each repeat was made from: its seed and the digests of its config and its folds."""
    keys = ("seed", "config_sha256", "folds_sha256")
    return [
        {"repeat": repeat} | {key: results["provenance"].get(key) for key in keys}
        for repeat, results in enumerate(found)
    ]


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
        repeats.append(Repeat(probabilities, np.array([threshold[fold] for fold in folds]), folds))
    return labels, repeats


def _join(tables: list[Path], columns: Sequence[str], path: Path) -> None:
    """Writes the lines of every repeat's table one after the other, with a first column `repeat`."""
    rows = [(repeat, *row) for repeat, table in enumerate(tables) for row in read_csv(table, columns, lambda *row: row)]
    write_csv(path, ["repeat", *columns], rows)
