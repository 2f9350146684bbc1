"""Divides training scans into inner folds, which choose and calibrate without the test scans."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from dynjax.errors import InputError

INNER_FOLDS = 5


def inner_folds(targets: np.ndarray, subjects: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits by subject, stratified by label, into INNER_FOLDS folds: pairs of training and test indices.

    If the rarer label has fewer subjects than that, there are as many folds as it has subjects.
    Raises: InputError if it has one.
    """
    fewest = min(len(np.unique(subjects[targets == label])) for label in (0, 1))
    if fewest < 2:
        advice = "take fewer --config.train.folds, or more subjects"
        raise InputError(f"a fold trains on a single subject of one label, and inner folds need two; {advice}")
    split = StratifiedGroupKFold(min(INNER_FOLDS, fewest), shuffle=True, random_state=seed)
    return list(split.split(targets, targets, subjects))
