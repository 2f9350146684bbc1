"""Decides which scans train a fold and which choose its epoch; only `select='test'` opens the test scans."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynjax.cohort.folds import hold_out
from dynjax.evaluation.calibration import log_loss
from dynjax.evaluation.metrics import METRICS
from dynjax.evaluation.predictions import Prediction, by_subject
from dynjax.evaluation.threshold import best_threshold
from dynjax.models.build import Tree
from dynjax.run.data import Data
from dynjax.run.trained import probabilities
from dynjax.training.selection import Selection


class Roles(NamedTuple):
    """The scans that train a fold, and those that choose its epoch (none for 'last'), bool [N] each."""

    training: np.ndarray
    judging: np.ndarray
    select: str

    @property
    def n_validation(self) -> int:
        """How many scans of training subjects are held out."""
        return int(self.judging.sum()) if self.select == "validation" else 0

    @classmethod
    def of(cls, data: Data, fold: int) -> "Roles":
        """Assigns the scans of a cohort. Raises: UsageError if there are too few subjects to hold some out."""
        select, seen = data.config.evaluate.select, data.folds != fold
        if select == "validation":
            held = hold_out(data.cohort, data.folds, fold, data.config.seed)
            return cls(seen & ~held, held, select)
        return cls(seen, ~seen if select == "test" else np.zeros_like(seen), select)

    def selection(self, data: Data, folder: Path) -> Selection | None:
        """Returns what selects the epoch in `folder`, having read the judging scans; None if there are none."""
        if not self.judging.any():
            return None
        images = data.images(self.judging)
        judge = {"validation": _by_log_loss, "test": _as_released}[self.select]

        def answer(params: Tree, batch_stats: Tree) -> dict[str, Any]:
            return judge(*self._by_subject(data, probabilities(data.config, params, batch_stats, images)))

        return Selection(folder, answer)

    def _by_subject(self, data: Data, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scans = [scan for scan, is_judge in zip(data.cohort.scans, self.judging) if is_judge]
        rows = [Prediction(scan.subject, scan.session, 0, scan.label, float(p)) for scan, p in zip(scans, answers)]
        return by_subject(rows, data.cohort.labels[1])[1:]


def _by_log_loss(labels: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    """Scores an epoch by its log loss, a proper score; the accuracy of a dozen subjects is too coarse."""
    loss = float(log_loss(labels, answers, np.ones(len(labels))))
    return {"score": [-loss], "threshold": best_threshold(labels, answers)}


def _as_released(labels: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    """Scores an epoch by accuracy and, among equals, by AUC, as the authors' released code does."""
    weights = np.ones(len(labels))
    score = [float(np.nan_to_num(METRICS[name](labels, answers, weights))) for name in ("accuracy", "roc_auc")]
    return {"score": score}
