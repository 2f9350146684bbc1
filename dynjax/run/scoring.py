"""Scores a run: every subject is predicted once, from the checkpoints alone, by the network that never saw it."""

from collections.abc import Sequence

import numpy as np

from dynjax.run.answers import SUBGROUP_COLUMNS, write_answers
from dynjax.run.data import Data
from dynjax.run.guarding import keep_reference
from dynjax.run.inputs import check_trunk
from dynjax.run.trained import load_trained, scored_checkpoint
from dynjax.run.workdir import Workdir


def evaluate_data(workdir: Workdir, data: Data, columns: Sequence[str] = SUBGROUP_COLUMNS) -> None:
    """Predicts every scan by the network of its fold, if that is trained, and writes and prints the scores.

    First it keeps what is usual among the scans, by which `predict` judges others: a run with results has all it needs.
    """
    probabilities = np.full(len(data.targets), np.nan, np.float32)
    trained = {}
    for fold in range(data.config.train.folds):
        path = scored_checkpoint(workdir, fold)
        if path is None:
            continue
        trained[fold] = load_trained(path)
        data.check_trained_on(fold, trained[fold].about, path)
        check_trunk(data.trunk, trained[fold].about, path)
        probabilities[data.folds == fold] = trained[fold].probability(data.images(data.folds == fold))
    keep_reference(workdir, data, trained)
    write_answers(workdir, data, trained, probabilities, columns)
