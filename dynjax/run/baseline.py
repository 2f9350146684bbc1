"""Fits and scores a baseline: the same folds, files and metrics as a network's run, but no checkpoints."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.baselines.embedding import EMBEDDING, read_embedding
from dynjax.baselines.features import FEATURES, KERNELS, Features
from dynjax.cohort.scan import Cohort
from dynjax.files import sha256_of
from dynjax.report.terminal import print_text
from dynjax.report.wording import counted
from dynjax.run import settings
from dynjax.run.answers import SUBGROUP_COLUMNS, write_answers
from dynjax.run.data import Data, keep_folds
from dynjax.run.refused import RefusedScans
from dynjax.run.trained import Answers, Trained
from dynjax.run.workdir import Workdir
from dynjax.training.examples import Images

SIGMOID = 2  # parameters of the sigmoid that turns a decision value into a probability


def train_baseline(
    config: FrozenConfigDict, workdir: Workdir, cohort: Cohort, folds: np.ndarray, refused: RefusedScans
) -> None:
    """Fits the baseline `config.model.name` in each fold and scores it as networks are scored, unless that is done.

    Raises: InputError for refused scans, or for a table that lacks what the baseline needs.
    """
    if workdir.results.exists():
        print_text(f"nothing to do: the baseline is fitted and evaluated, see {workdir.results}")
    else:
        evaluate_baseline(config, workdir, cohort, folds, refused=refused)


def evaluate_baseline(
    config: FrozenConfigDict,
    workdir: Workdir,
    cohort: Cohort,
    folds: np.ndarray,
    columns: Sequence[str] = SUBGROUP_COLUMNS,
    refused: RefusedScans | None = None,
) -> None:
    """Fits and scores the baseline anew: fitted baselines are not stored. Args: as `keep_folds` and `write_answers`."""
    from dynjax.baselines.fit import cross_validate  # scikit-learn is slow to import

    name = config.model.name
    features, origin = _features(config, cohort), _origin(config)
    workdir.claim(config)
    folds = keep_folds(workdir, cohort, folds, refused)
    targets = np.array(cohort.targets, np.int32)
    subjects = [scan.subject for scan in cohort.scans]
    answers = cross_validate(name, features.values, targets, folds, subjects, config.seed, config.model.penalty)
    parameters = features.size + 1 + SIGMOID * (name in KERNELS)
    about = {"epoch": None, "train_loss": None, "weights": origin}
    fitted = {
        fold: Trained(
            _unavailable, config, about | {"train_seconds": seconds, "penalty": answers.penalties[fold]}, parameters
        )
        for fold, seconds in answers.seconds.items()
    }
    data = Data(config, cohort, targets, folds, [])
    write_answers(workdir, data, fitted, answers.probabilities, columns)


def _features(config: FrozenConfigDict, cohort: Cohort) -> Features:
    if config.model.name != EMBEDDING:
        return FEATURES[config.model.name](cohort, settings.projection_of(config).reading)
    path = Path(config.cohort.embeddings)
    vectors, others = read_embedding(path, cohort)
    ignored = f"; {counted(others, 'row')} of scans outside the cohort ignored" if others else ""
    print_text(f"{path}: {counted(vectors.shape[1], 'number')} for each of {len(vectors)} scans{ignored}")
    return Features(vectors, vectors.shape[1])


def _origin(config: FrozenConfigDict) -> dict[str, Any]:
    """Says by what the baseline is fitted and, for an embedding, to which file."""
    fitter, path = f"scikit-learn {version('scikit-learn')}", Path(config.cohort.embeddings)
    if config.model.name != EMBEDDING:
        return {"pretrained": False, "source": fitter, "sha256": None}
    return {"pretrained": False, "source": f"{fitter} on {path.name}", "sha256": sha256_of(path)}


def _unavailable(images: Images) -> Answers:
    raise NotImplementedError("a baseline predicts only within cross-validation")
