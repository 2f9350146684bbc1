"""Keeps the network of the epoch that scores best, beside the network of the last epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dynjax.models.build import Tree
from dynjax.training import checkpoint, processes
from dynjax.training.step import TrainState


class Selection:
    """Keeps one checkpoint in `folder`, that of the first epoch with the highest score.

    `judge(params, batch_stats)` returns entries for the checkpoint's description; its 'score', a list, decides. Epochs
    that a resumed fold repeats score the same as before on the same devices, so they change nothing.
    """

    def __init__(self, folder: Path, judge: Callable[[Tree, Tree], dict[str, Any]]):
        self.folder, self.judge = folder, judge
        kept = checkpoint.latest(folder)
        self.best: list[float] = checkpoint.read_about(kept)["score"] if kept else []

    def offer(self, state: TrainState, epoch: int, about: dict[str, Any]) -> None:
        """Scores a state and saves it if it beats the best one so far; every process must call it."""
        judged = self.judge(state.params, state.batch_stats)
        # The first process decides for all, because scores may differ between devices.
        (is_better,) = processes.any_of(processes.is_first() and judged["score"] > self.best)
        if is_better:
            self.best = judged["score"]
            checkpoint.save(self.folder, state, epoch, about | judged, keep_optimizer=False)
