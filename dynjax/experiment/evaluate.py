"""`evaluate`: every subject predicted once, from the checkpoints alone, by the network that never saw it."""

import datetime
import platform
from importlib.metadata import version

import jax
import numpy as np
from ml_collections import FrozenConfigDict

import dynjax
from dynjax.baselines.features import BASELINES
from dynjax.cohort.folds import read_folds
from dynjax.errors import InputError
from dynjax.evaluation.intervals import describe_intervals, estimate_all
from dynjax.evaluation.predictions import Prediction, by_subject, write_predictions
from dynjax.evaluation.results import name_folds, print_results, write_results
from dynjax.experiment import settings
from dynjax.experiment.data import Data, find_cohort, load_data
from dynjax.experiment.refused import without_refused
from dynjax.experiment.runtime import configure_jax
from dynjax.experiment.trained import Trained, load_trained, scored_checkpoint
from dynjax.experiment.workdir import Workdir
from dynjax.files import sha256_of

SCHEMA = 1


def evaluate(workdir: Workdir, finished_folds: bool = False) -> None:
    """Scores the checkpoints of a workdir again; needs its config.json, folds.csv and checkpoints, and the scans.

    With `finished_folds` it scores those folds alone that are trained, and says so in what it writes. A baseline has no
    checkpoints and is fitted again.

    Raises: InputError if one of them is missing, damaged or no longer what the networks were trained on.
    """
    config = workdir.read_config()
    configure_jax()
    cohort = without_refused(workdir, find_cohort(config))
    print(cohort.describe(), flush=True)
    folds = read_folds(workdir.folds, cohort, config.train.folds)
    if config.model.name in BASELINES:
        from dynjax.experiment.baseline import evaluate_baseline  # which writes its answers by what stands here

        return evaluate_baseline(config, workdir, cohort, folds)
    paths = {fold: scored_checkpoint(workdir, fold) for fold in range(config.train.folds)}
    missing = [fold for fold, path in paths.items() if path is None]
    if missing and not finished_folds:
        advice = "run train on this workdir first, or score the others with --finished-folds"
        raise InputError(f"{workdir}: {name_folds(missing)} not trained to the end; {advice}")
    if len(missing) == len(paths):
        raise InputError(f"{workdir}: no fold is trained to the end; run train on this workdir first")
    data = load_data(config, cohort, folds)
    with workdir.lock_evaluation():
        evaluate_data(config, workdir, data)


def evaluate_data(config: FrozenConfigDict, workdir: Workdir, data: Data) -> None:
    """Answers every scan by the network of its fold, if that is trained, and writes and prints what comes of it."""
    probabilities = np.full(len(data.targets), np.nan, np.float32)
    trained = {}
    for fold in range(config.train.folds):
        path = scored_checkpoint(workdir, fold)
        if path is None:
            continue
        trained[fold] = load_trained(path)
        if trained[fold].about["scans"] != data.digests_of(fold):
            raise InputError(f"{path}: was trained on scans whose files have changed since")
        probabilities[data.folds == fold] = trained[fold].probability(data.images[data.folds == fold])
    write_answers(config, workdir, data, trained, probabilities)


def write_answers(
    config: FrozenConfigDict, workdir: Workdir, data: Data, trained: dict[int, Trained], probabilities: np.ndarray
) -> None:
    """Writes predictions.csv and results.json for probabilities [N], an entry a scan, and prints the table."""
    predictions = [
        Prediction(scan.subject, scan.session, int(fold), scan.label, float(probability))
        for scan, fold, probability in zip(data.cohort.scans, data.folds, probabilities)
        if fold in trained
    ]
    results = _results(config, workdir, data, trained, predictions)
    write_predictions(workdir.predictions, predictions)
    write_results(workdir.results, results)
    print_results(results)
    print(f"written: {workdir.predictions}, {workdir.results}")


def _results(
    config: FrozenConfigDict, workdir: Workdir, data: Data, trained: dict[int, Trained], predictions: list[Prediction]
) -> dict:
    cohort = data.cohort
    folds, labels, probabilities = by_subject(predictions, cohort.labels[1])
    return {
        "schema": SCHEMA,
        "positive_class": cohort.labels[1],
        "selection": config.evaluate.select,
        "n_subjects": len(labels),
        "folds_missing": [fold for fold in range(config.train.folds) if fold not in trained],
        "cohort": {
            "source": cohort.source,
            "kind": cohort.kind,
            "synthetic": cohort.synthetic,
            "n_scans": len(cohort.scans),
            "excluded": cohort.excluded,
        },
        "model": {"name": config.model.name, "parameters": next(iter(trained.values())).parameters},
        "weights": next(iter(trained.values())).about["weights"],
        "metrics": estimate_all(labels, probabilities, config.seed),
        "intervals": describe_intervals(config.seed),
        "folds": [
            {
                "fold": fold,
                "n_train": int((data.folds != fold).sum()),
                "n_test": int((data.folds == fold).sum()),
                "epoch": trained[fold].about["epoch"],
                "train_seconds": trained[fold].about["train_seconds"],
                "train_loss": trained[fold].about.get("train_loss"),
                "metrics": estimate_all(labels[folds == fold], probabilities[folds == fold], config.seed),
            }
            for fold in sorted(trained)
        ],
        "provenance": {
            "dynjax": dynjax.__version__,
            "jax": version("jax"),
            "flax": version("flax"),
            "python": platform.python_version(),
            "device": jax.devices()[0].device_kind,
            "seed": config.seed,
            "config_sha256": settings.identity_digest(config),
            "folds_sha256": sha256_of(workdir.folds),
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
    }
