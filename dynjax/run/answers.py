"""Writes what every scored run leaves, predictions.csv and results.json, and prints both as tables."""

import datetime
import platform
from collections.abc import Sequence
from importlib.metadata import version

import jax
import numpy as np
from ml_collections import FrozenConfigDict

import dynjax
from dynjax.cohort.scan import Cohort
from dynjax.evaluation.intervals import WITHIN_FOLDS, describe_intervals, estimate_all, estimate_within_folds
from dynjax.evaluation.metrics import THRESHOLD
from dynjax.evaluation.predictions import Prediction, by_subject, write_predictions
from dynjax.evaluation.subgroups import estimate_subgroups
from dynjax.files import sha256_of
from dynjax.report.results_table import print_results, print_subgroups
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.data import Data
from dynjax.run.results import write_results
from dynjax.run.trained import Trained, check_numbers
from dynjax.run.workdir import Workdir

SCHEMA = 1
SUBGROUP_COLUMNS = ("sex", "age", "site")  # of the scan table; they define subgroups


def write_answers(
    workdir: Workdir,
    data: Data,
    trained: dict[int, Trained],
    probabilities: np.ndarray,
    columns: Sequence[str] = SUBGROUP_COLUMNS,
    external: dict | None = None,
) -> None:
    """Writes predictions.csv and results.json, and prints their tables. Raises: DynjaxError for a probability of NaN.

    Args:
      trained: the network of each fold that is scored.
      probabilities: float [N], of the positive class, one a scan.
      columns: the columns of the scan table that define subgroups.
      external: what results.json says of a cohort that the networks never saw.
    """
    predictions = [
        Prediction(scan.subject, scan.session, int(fold), scan.label, float(probability))
        for scan, fold, probability in zip(data.cohort.scans, data.folds, probabilities)
        if fold in trained
    ]
    check_numbers(np.array([prediction.probability for prediction in predictions]))
    results = _results(workdir, data, trained, predictions, columns)
    if external is not None:
        results |= {"folds_missing": [], "external": external}
    write_predictions(workdir.predictions, predictions)
    write_results(workdir.results, results)
    print_results(results)
    print_subgroups(results["subgroups"])
    print_text(f"written: {workdir.predictions}, {workdir.results}")


def _results(
    workdir: Workdir, data: Data, trained: dict[int, Trained], predictions: list[Prediction], columns: Sequence[str]
) -> dict:
    config, cohort = data.config, data.cohort
    folds, labels, probabilities = by_subject(predictions, cohort.labels[1])
    threshold_of = {fold: each.about.get("threshold", THRESHOLD) for fold, each in trained.items()}
    thresholds = np.array([threshold_of[fold] for fold in folds])
    groups = _columns(cohort, predictions, columns)
    within = {WITHIN_FOLDS: estimate_within_folds(labels, probabilities, folds)}
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
            "shuffled": cohort.shuffled,
            "n_scans": len(cohort.scans),
            "excluded": cohort.excluded,
            "notes": list(cohort.notes),
        },
        "model": _describe(config, next(iter(trained.values()))),
        "weights": next(iter(trained.values())).about["weights"],
        "metrics": estimate_all(labels, probabilities, config.seed, thresholds) | within,
        "intervals": describe_intervals(config.seed),
        "subgroups": estimate_subgroups(labels, probabilities, thresholds, groups, config.seed),
        "folds": [
            {
                "fold": fold,
                "n_train": trained[fold].about.get("n_train", int((data.folds != fold).sum())),
                "n_validation": trained[fold].about.get("n_validation", 0),
                "n_test": int((data.folds == fold).sum()),
                "epoch": trained[fold].about["epoch"],
                "penalty": trained[fold].about.get("penalty"),
                "train_seconds": trained[fold].about["train_seconds"],
                "train_loss": trained[fold].about.get("train_loss"),
                "peak_memory_bytes": trained[fold].about.get("peak_memory_bytes"),
                "threshold": threshold_of[fold],
                "metrics": estimate_all(
                    labels[folds == fold], probabilities[folds == fold], config.seed, threshold_of[fold]
                ),
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


def _describe(config: FrozenConfigDict, network: Trained) -> dict:
    """Says how many numbers the network has, and how many of them were trained or solved."""
    return {
        "name": config.model.name,
        "parameters": network.parameters,
        "total_parameters": network.parameters + network.frozen,
        "solved": settings.is_solved(config),
    }


def _columns(cohort: Cohort, predicted: list[Prediction], names: Sequence[str]) -> dict[str, list[str]]:
    """Returns the scan table's values for each predicted subject, taken from its first scan."""
    first = {scan.subject: scan for scan in reversed(cohort.scans)}
    subjects = list(dict.fromkeys(prediction.subject for prediction in predicted))
    return {name: [first[subject].column(name) for subject in subjects] for name in names}
