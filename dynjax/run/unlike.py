"""Says how the scans of an external cohort lie to those of a run, and scores those that are like them by themselves."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dynjax.csv_table import write_csv
from dynjax.evaluation.intervals import estimate_all
from dynjax.evaluation.predictions import Prediction, by_subject
from dynjax.guard.deviation import Judgement
from dynjax.report.terminal import print_text
from dynjax.report.wording import estimate_text
from dynjax.run import settings
from dynjax.run.data import Data
from dynjax.run.guarding import Guard, sketch_volume
from dynjax.run.trained import Answers, Trained
from dynjax.run.workdir import Workdir
from dynjax.volumes.nifti import load_volume
from dynjax.work.parallel import map_scans

COLUMNS = ["subject", "session", "verdict", "deviation", "p", "reason"]


def score_the_like(
    other: Workdir,
    data: Data,
    guard: Guard | None,
    networks: Sequence[Trained],
    answers: Sequence[Answers],
    threshold: float,
) -> dict[str, Any]:
    """Judges every scan by the run's cohort, writes likeness.csv, and scores the subjects without the unlike scans.

    Args: guard, None for a run that keeps nothing of its cohort; answers, one a network; threshold, from which a
    probability is called positive.
    Returns: what results.json says of it.
    """
    if guard is None:
        return {"verdicts": None, "note": "not checked against the run's cohort: evaluate the run, which keeps it"}
    judged = _judge(data, guard, guard.seen(networks, answers))
    verdicts = collections.Counter(found.verdict for found, _ in judged)
    rows = [
        (scan.subject, scan.session, found.verdict, f"{found.deviation:.3f}", f"{found.p:.6f}", reason)
        for scan, (found, reason) in zip(data.cohort.scans, judged)
    ]
    write_csv(other.path / "likeness.csv", COLUMNS, rows)
    about: dict[str, Any] = {"verdicts": dict(verdicts)}
    text = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    print_text(f"like the training scans: {text}; {other.path / 'likeness.csv'} has each scan's")
    like = np.array([found.verdict in ("ok", "unknown") for found, _ in judged])
    if like.all() or not like.any():
        return about
    return about | _score(data, like, np.mean([answer.probabilities for answer in answers], axis=0), threshold)


def _judge(data: Data, guard: Guard, seen: Mapping[int, np.ndarray]) -> list[tuple[Judgement, str]]:
    reading = settings.projection_of(data.config).reading

    def judge(index: int) -> tuple[Judgement, str]:
        sketch = sketch_volume(load_volume(data.cohort.scans[index].path, *reading))
        return guard.judge(sketch, {fold: of_scans[index] for fold, of_scans in seen.items()})

    return map_scans(judge, range(len(data.cohort.scans)), "comparing scans with the training scans")


def _score(data: Data, like: np.ndarray, probabilities: np.ndarray, threshold: float) -> dict[str, Any]:
    chosen = [
        Prediction(scan.subject, scan.session, 0, scan.label, float(probability))
        for scan, probability, is_like in zip(data.cohort.scans, probabilities, like)
        if is_like
    ]
    _, labels, by_person = by_subject(chosen, data.cohort.labels[1])
    metrics = estimate_all(labels, by_person, data.config.seed, threshold)
    print_text(f"without the unlike scans: {len(labels)} subjects, ROC AUC {estimate_text(metrics['roc_auc'])}")
    return {"without_unlike": {"n_subjects": len(labels), "metrics": metrics}}
