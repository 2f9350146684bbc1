"""A cross-validation carried out several times: each repeat a run of its own in DIR/repeat_N, and their sum in DIR.

Repeat N is the config's run with its seed plus N: other folds, initial values, batches and dropout, the same subjects.
"""

import csv
import io
import json
from collections.abc import Callable

import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from dynjax import processes
from dynjax.errors import InputError
from dynjax.evaluation.metrics import THRESHOLD
from dynjax.evaluation.predictions import by_subject, read_predictions
from dynjax.evaluation.repeated import Repeat, describe_repeats, estimate_repeats, print_repeats
from dynjax.evaluation.results import is_complete, results_so_far, write_results
from dynjax.experiment.workdir import Workdir
from dynjax.files import write_text


def repeat_config(config: FrozenConfigDict, repeat: int) -> FrozenConfigDict:
    changed = ConfigDict(config.to_dict())
    changed.train.repeats, changed.seed = 1, config.seed + repeat
    return FrozenConfigDict(changed)


def each_repeat(config: FrozenConfigDict, workdir: Workdir, do: Callable[[FrozenConfigDict, Workdir], None]) -> None:
    """Does the same for every repeat, and sums them up once all are complete."""
    with processes.first_then_others():
        workdir.claim(config)
    for repeat in range(config.train.repeats):
        print(f"\nrepeat {repeat} of {config.train.repeats}", flush=True)
        do(repeat_config(config, repeat), workdir.repeat(repeat))
    missing = [r for r in range(config.train.repeats) if not is_complete(results_so_far(workdir.repeat(r).results))]
    if missing:
        print(f"not summed up: of repeats {', '.join(map(str, missing))} some folds are not evaluated yet")
    elif processes.is_first():
        _sum_up(config, workdir)


def _sum_up(config: FrozenConfigDict, workdir: Workdir) -> None:
    runs = [workdir.repeat(repeat) for repeat in range(config.train.repeats)]
    found = [json.loads(run.results.read_text(encoding="utf-8")) for run in runs]
    labels, repeats = _read(runs, found)
    results = found[0] | {
        "repeats": len(runs),
        "metrics": estimate_repeats(labels, repeats, config.seed),
        "intervals": describe_repeats(len(runs), config.seed),
        "subgroups": [],  # each repeat's results.json has its own
        "folds": [fold | {"repeat": repeat} for repeat, each in enumerate(found) for fold in each["folds"]],
    }
    for name in ("folds", "predictions"):
        _join([getattr(run, name) for run in runs], getattr(workdir, name))
    write_results(workdir.results, results)
    print_repeats(results)
    print(f"written: {workdir.predictions}, {workdir.results}")


def _read(runs: list[Workdir], found: list[dict]) -> tuple[np.ndarray, list[Repeat]]:
    """Labels and repeats, subjects in one order. Raises: InputError if the repeats are not of the same subjects."""
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


def _join(tables: list, path) -> None:
    """The lines of every repeat's table behind each other, `repeat` before them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for repeat, table in enumerate(tables):
        with open(table, newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        if repeat == 0:
            writer.writerow(["repeat", *header])
        writer.writerows([repeat, *row] for row in rows)
    write_text(path, text.getvalue())
