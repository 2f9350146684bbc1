"""Shows the progress of training: a live line on a terminal, and elsewhere a plain line every few seconds."""

import statistics
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dynjax.training.record import Epoch
from dynjax.work.progress import QUIET_SECONDS, console


class TrainingDisplay:
    """Shows each fold's epochs, and estimates the time left from the epochs of all folds."""

    def __init__(self, folds: list[int], epochs: int):
        self.folds, self.epochs = folds, epochs
        self.left = len(folds) * epochs
        self.seconds: list[float] = []
        self.last_line = 0.0
        self.tasks: dict[int, TaskID] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.live = Progress(*columns, TextColumn("{task.fields[note]}"), console=console)

    def __enter__(self) -> "TrainingDisplay":
        if console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception) -> None:
        if console.is_terminal:
            self.live.stop()

    def start(self, fold: int, done: int) -> None:
        """Announces a fold that begins, or goes on after `done` epochs."""
        self.left -= done
        self.tasks[fold] = self.live.add_task(self._name(fold), total=self.epochs, completed=done, note="compiling")
        if not console.is_terminal and done:
            print(f"{self._name(fold)}: going on after epoch {done}", flush=True)

    def show(self, epoch: Epoch) -> None:
        self.left -= 1
        self.seconds.append(epoch.seconds)
        pace = statistics.median(self.seconds)  # the median soon forgets the first epoch, which compiles
        note = f"loss {epoch.loss:.4f}  accuracy {epoch.accuracy:.2f}  {pace:.1f} s/epoch"
        if self.left and len(self.seconds) > 1 and (not console.is_terminal or epoch.epoch < self.epochs):
            note += f"  {_duration(pace * self.left)} left"
        self.live.update(self.tasks[epoch.fold], completed=epoch.epoch, note=note)
        due = time.monotonic() - self.last_line > QUIET_SECONDS or epoch.epoch == self.epochs
        if not console.is_terminal and due:
            self.last_line = time.monotonic()
            print(f"{self._name(epoch.fold)}  epoch {epoch.epoch}/{self.epochs}  {note}", flush=True)

    def _name(self, fold: int) -> str:
        return f"fold {fold}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
