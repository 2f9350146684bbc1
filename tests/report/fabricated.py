"""Finished runs that nobody trained, for pages of every kind."""

import functools

import numpy as np

from configs.base import paper
from dynjax.evaluation.intervals import estimate_all
from dynjax.evaluation.paired import Pairing, Test
from dynjax.report.facts import Explanation, Facts
from dynjax.report.map_picture import draw_map
from dynjax.report.scan_rows import ScanRow
from dynjax.run.settings import flatten

SEED = 3
FOLDS = 3
PAIRING = Pairing([0, 1, 2], 36, Test(-0.1, [-0.2, 0.05], 0.1, 0.2), Test(-0.07, [-0.13, -0.03], 0.004, 0.016))


@functools.cache
def _estimates(n: int) -> tuple:
    rng = np.random.default_rng(SEED)
    labels = np.arange(n) % 2
    folds = (np.arange(n) // 2) % FOLDS
    probabilities = np.clip(0.5 + 0.25 * (labels - 0.5) + 0.2 * rng.normal(size=n), 0, 1)
    groups = [folds == fold for fold in range(FOLDS)]
    of_folds = [estimate_all(labels[group], probabilities[group], SEED) for group in groups]
    return labels, folds, probabilities, estimate_all(labels, probabilities, SEED), of_folds


def results(n: int = 36, **changes) -> dict:
    """results.json as `evaluate` writes it, of a synthetic cohort; changes: other values of its keys."""
    _, _, _, metrics, of_folds = _estimates(n)
    folds = [
        {"fold": fold, "n_train": n - 12, "n_test": n // FOLDS, "epoch": 4, "train_seconds": 1.5, "train_loss": 0.1}
        | {"metrics": of_fold}
        for fold, of_fold in enumerate(of_folds)
    ]
    return {
        "schema": 1,
        "positive_class": "AD",
        "selection": "last",
        "n_subjects": n,
        "folds_missing": [],
        "cohort": {
            "source": "/home/somebody/private/scans.csv",
            "synthetic": True,
            "n_scans": n,
            "excluded": {"later visit of a subject": 5, "refused: truncated": 2, "another label": 0},
        },
        "model": {"name": "vgg11", "parameters": 10**7},
        "weights": {"pretrained": True, "source": "vgg11.pth", "sha256": "ab" * 32},
        "metrics": metrics,
        "folds": folds,
        "provenance": {"dynjax": "0.1.0", "device": "cpu", "seed": SEED, "folds_sha256": "cd" * 32},
    } | changes


def facts(n: int = 36, **changes) -> Facts:
    """A finished run with images; changes: other values of its fields."""
    labels, folds, probabilities, *_ = _estimates(n)
    subjects = [f"participant-{index:03d}" for index in range(n)]
    rng = np.random.default_rng(SEED)
    made = Facts(
        name="Dyn + VGG11 + Att",
        kind="Dynamic images along z: the front is at the top.",
        classes=("CN", "AD"),
        results=results(n),
        settings=flatten(paper()) | {"train.folds": FOLDS, "cohort.table": "/home/somebody/private/scans.csv"},
        subjects=subjects,
        folds=folds,
        labels=labels,
        probabilities=probabilities,
        events=[
            {"fold": fold, "epoch": epoch, "loss": 0.7 / epoch, "accuracy": 1 - 0.4 / epoch, "seconds": 0.1}
            for fold in range(FOLDS)
            for epoch in range(1, 5)
        ],
        refused=[("participant-900", "m06", "truncated")],
        images={
            subject: [ScanRow("axial", rng.random((9, 7), np.float32), [rng.normal(size=(9, 7))], True)]
            for subject in subjects
        },
    )
    return made._replace(**changes)


def about_explanation(subjects, **changes) -> dict:
    """explanation.json as `explain` writes it; changes: other values of its keys."""
    return {
        "schema": 1,
        "method": "gradients",
        "reference": "the mean volume of the fold's CN training subjects",
        "unit": "logit per voxel",
        "sentence": "What this map may claim.",
        "synthetic": True,
        "positive_class": "AD",
        "labels": ["CN", "AD"],
        "agreement": {"mean": 0.4, "networks": FOLDS},
        "groups": [
            {"label": label, "correct": correct, "n": 3, "map": f"{name}.nii.gz", "volume": f"volume_{name}.nii.gz"}
            for label, correct, name in (("AD", True, "a"), ("CN", False, "b"))
        ],
        "regions": {"atlas": "atlas.nii.gz", "columns": ["region", "voxels", "sum AD"], "rows": [["left", 1200, 0.5]]},
        "scans": [
            {"subject": subject, "session": "", "folder": subject, "label": "AD", "probability": 0.9, "logit": 2.3}
            | {"picture": f"{subject}/attribution.png", "viewer": f"{subject}/viewer.html"}
            for subject in subjects
        ],
    } | changes


def explained(made: Facts, **changes) -> Facts:
    """Adds the maps of all subjects to a run; changes: other values of explanation.json."""
    rng = np.random.default_rng(SEED)
    volume, values = rng.random((8, 9, 7), np.float32), rng.normal(size=(8, 9, 7)).astype(np.float32)
    about = about_explanation(made.subjects, **changes)
    png = draw_map(volume, values, np.eye(4), "AD", [], made.mark)
    errors = {made.subjects[index]: png for index in made.most_wrong(3)[1:]}
    maps = [(volume, sign * values) for sign, _ in zip((1, -1), about["groups"])]
    return made._replace(explanation=Explanation(about, maps, np.eye(4), errors))
