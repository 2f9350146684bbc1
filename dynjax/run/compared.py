"""Reads finished runs as rows of a table, and tests each against the first, paired by subject."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.errors import InputError, listed
from dynjax.evaluation.intervals import carried_wilson
from dynjax.evaluation.metrics import TABLES, THRESHOLD, confusion
from dynjax.evaluation.paired import Pairing, ScoredRun, correct, pair
from dynjax.evaluation.predictions import Prediction, by_subject, read_predictions
from dynjax.report.comparison import OF_CALLS, Row
from dynjax.run.results import read_results
from dynjax.run.workdir import Workdir

PROJECTIONS = {
    "dynamic": "Dyn",
    "max": "Max.",
    "mean": "Avg.",
    "ranksvm": "RankSVM",
    "svr": "SVR",
    "learned": "Learned",
}
HEADS_IN_WORDS = {"linear": "linear", "pooled": "pooled head", "joint": "joint heads"}
NETWORKS = {
    "alexnet": "AlexNet",
    "vgg11": "VGG11",
    "resnet18": "ResNet18",
    "mobilenet_v1": "MobileNetV1",
    "mobilenet_v2": "MobileNetV2",
    "shufflenet_v2_x1_0": "ShuffleNetV2",
    "vgg3d": "3D-VGG",
    "resnet3d": "3D-ResNet",
    "patches3d": "3D patches",
    "svm_voxels": "Linear SVM on voxels",
    "svm_mask": "Linear SVM on the mask",
    "embedding": "Embedding",
    "age_sex": "Age + sex",
    "brain_volume": "Brain volume",
    "mean_intensity": "Mean intensity",
}


def read_rows(folders: Sequence[str], with_paper: bool = False) -> list[Row]:
    """Reads each run, with its tests against the first and, `with_paper`, what is compared with the paper alone.

    Raises: InputError that lists the runs without results.
    """
    rows, problems = [], []
    for folder in folders:
        try:
            row = _read(Workdir(folder), folder)
            rows.append(row._replace(of_calls=_of_calls(Workdir(folder))) if with_paper else row)
        except InputError as error:
            problems.append(error)
    if problems:
        raise InputError(f"{len(problems)} of {len(folders)} runs cannot be compared:\n{listed(problems)}")
    return _paired(rows)


def _paired(rows: list[Row]) -> list[Row]:
    """Adds to every row but the first its tests against the first, or the reason why there are none."""
    answers: list[Pairing | str] = []
    for row in rows[1:]:
        try:
            answers.append(_pair(rows[0], row))
        except (InputError, ValueError) as reason:
            answers.append(str(reason))
    corrected = iter(correct([answer for answer in answers if isinstance(answer, Pairing)]))
    return rows[:1] + [
        row._replace(unpaired=answer) if isinstance(answer, str) else row._replace(pairing=next(corrected))
        for row, answer in zip(rows[1:], answers)
    ]


def _pair(first: Row, second: Row) -> Pairing:
    """Tests two runs. Raises: ValueError or InputError, with the reason, unless they share cohort and folds."""
    if first.results["positive_class"] != second.results["positive_class"]:
        raise ValueError("another positive class")
    if "repeats" in first.results or "repeats" in second.results:
        raise ValueError("repeated runs are paired one repeat with another: compare their repeat_0, repeat_1, ...")
    if _phantoms(first) != _phantoms(second):
        raise ValueError("another cohort")
    ours, theirs = (_answers(row) for row in (first, second))
    if first.results["provenance"]["folds_sha256"] != second.results["provenance"]["folds_sha256"]:
        raise ValueError(_what_differs(ours.predictions, theirs.predictions))
    return pair(ours, theirs, first.results["positive_class"])


def _of_calls(workdir: Workdir) -> dict | None:
    """Estimates the average precision of calls, as the mean over the repeats; None if predictions cannot be read."""
    try:
        tables = [_confusion(run) for run in workdir.repeats()]
    except InputError:
        return None
    values = [float(TABLES[OF_CALLS](*table)) for table in tables]
    if not np.isfinite(values).all():
        return {"value": None, "ci95": None}
    return {"value": float(np.mean(values)), "ci95": carried_wilson(OF_CALLS, *tables[0]) if len(tables) == 1 else None}


def _confusion(workdir: Workdir) -> list[float]:
    """Counts true and false positives, true and false negatives. Raises: InputError if a file cannot be read."""
    results = read_results(workdir.results)
    thresholds = {fold["fold"]: fold.get("threshold", THRESHOLD) for fold in results["folds"]}
    folds, labels, probabilities = by_subject(read_predictions(workdir.predictions), results["positive_class"])
    calls = (probabilities >= [thresholds[fold] for fold in folds]).astype(float)
    return [float(count) for count in confusion(labels, calls, np.ones(len(labels)))]


def _answers(row: Row) -> ScoredRun:
    thresholds = {fold["fold"]: fold.get("threshold", THRESHOLD) for fold in row.results["folds"]}
    return ScoredRun(read_predictions(Workdir(row.folder).predictions), thresholds)


def _phantoms(row: Row) -> tuple | None:
    """Identifies a synthetic cohort, since two may use the same subject names; the skull makes no difference."""
    cohort = Workdir(row.folder).read_config().cohort
    return None if cohort.table else (cohort.phantom.n, cohort.phantom.seed)


def _what_differs(ours: list[Prediction], theirs: list[Prediction]) -> str:
    subjects, others = ({prediction.subject for prediction in run} for run in (ours, theirs))
    if subjects == others:
        return "other folds of the same subjects"
    return f"another cohort or other folds: {len(subjects & others)} of its {len(others)} subjects are in both"


def _read(workdir: Workdir, folder: str) -> Row:
    workdir.check_is_run("name the folder of a finished run")
    config = workdir.read_config()
    negative = config.cohort.labels[0]
    return Row(run_name(config), folder, config.train.epochs, read_results(workdir.results), negative=negative)


def run_name(config: FrozenConfigDict) -> str:
    """Names a run as the paper's tables do, such as 'Dyn + VGG11 + Att', followed by what differs from the paper."""
    model, projection = config.model, config.projection
    parts = [NETWORKS[model.name]]
    if projection.name != "none":
        kinds = " & ".join(PROJECTIONS[name] for name in projection.name.split("+"))
        parts = [kinds, *parts, *(["Att"] if model.attention != "none" else [])]
    details = []
    if projection.name != "none" and projection.axis != "axial":
        details.append(projection.axis.replace("+", " & "))
    if projection.slabs > 1:
        details.append(f"{projection.slabs} slabs")
    if "dynamic" in projection.name and projection.weights != "simple":
        details.append(f"{projection.weights} weights")
    if projection.name != "none" and projection.scale != "imagenet":
        details.append(f"{projection.scale} scale")
    if model.attention == "rows" and projection.name != "none":
        details.append("by rows")
    if model.trainable == "head":
        details.append("frozen trunk")
    if model.head in HEADS_IN_WORDS:
        details.append(HEADS_IN_WORDS[model.head])
    if "released" in (model.head, model.cut):
        details.append("released layers")
    if config.cohort.embeddings:
        details.append(Path(config.cohort.embeddings).name)
    if not config.cohort.table and config.cohort.phantom.skull:
        details.append("with skull")
    return ", ".join([" + ".join(parts), *details])
