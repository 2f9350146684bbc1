"""The network of the epoch that scores best, kept beside that of the last one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dynjax.models.build import Tree
from dynjax.training import checkpoint
from dynjax.training.step import TrainState


class Selection:
    """Keeps one checkpoint in `folder`: of the first epoch whose `score(params, batch_stats)`, a list, is the highest.

    Epochs that a resumed fold repeats score as they did before, and so change nothing.
    """

    def __init__(self, folder: Path, score: Callable[[Tree, Tree], list[float]]):
        self.folder, self.score = folder, score
        kept = checkpoint.latest(folder)
        self.best: list[float] = checkpoint.read_about(kept)["score"] if kept else []

    def offer(self, state: TrainState, epoch: int, about: dict[str, Any]) -> None:
        score = self.score(state.params, state.batch_stats)
        if score > self.best:
            self.best = score
            checkpoint.save(self.folder, state, epoch, about | {"score": score}, keep_optimizer=False)
