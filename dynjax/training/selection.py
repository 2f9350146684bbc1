"""The network of the epoch that scores best, kept beside that of the last one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dynjax.models.build import Tree
from dynjax.training import checkpoint, processes
from dynjax.training.step import TrainState


class Selection:
    """Keeps one checkpoint in `folder`: of the first epoch whose score, a list, is the highest.

    `judge(params, batch_stats)` gives what the checkpoint is to be described with; its 'score' is what decides. Epochs
    that a resumed fold repeats score as they did before on the same devices, and so change nothing.
    """

    def __init__(self, folder: Path, judge: Callable[[Tree, Tree], dict[str, Any]]):
        self.folder, self.judge = folder, judge
        kept = checkpoint.latest(folder)
        self.best: list[float] = checkpoint.read_about(kept)["score"] if kept else []

    def offer(self, state: TrainState, epoch: int, about: dict[str, Any]) -> None:
        judged = self.judge(state.params, state.batch_stats)
        (is_better,) = processes.any_of(processes.is_first() and judged["score"] > self.best)
        if is_better:
            self.best = judged["score"]
            checkpoint.save(self.folder, state, epoch, about | judged, keep_optimizer=False)
