"""kill -9 at fifty random moments: whatever is then on the disk, the same command goes on to the same answers."""

import contextlib
import json
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.command import PATIENCE, PHANTOMS, TINY, Forked, start

KILLS, JOBS = 50, ("0,1,2", "3,4")  # two processes at a time share a workdir, and either may be killed
RUN = (*TINY, *PHANTOMS, "--config.train.folds=5")
SMALL = tuple(option for option in RUN if option.startswith(("--config.volume", "--config.cohort", "--config.train.f")))
SOLVED = ("--config=configs/best.py", *SMALL, "--config.projection.slabs=2")


class World:
    """A cache of its own, for runs in the folders beside it; jax knows its programs by the path that they lie at."""

    def __init__(self, folder: Path, command: tuple[str, ...]):
        self.folder, self.cache, self.command = folder, folder / "cache", command

    def forget(self) -> None:
        """Projections, features and verdicts, so that the next run makes them anew."""
        for name in ("projections", "features", "checked"):
            shutil.rmtree(self.cache / name, ignore_errors=True)

    def start(self, run: str, folds: str) -> Forked:
        where = f"--workdir={self.folder / run}"
        return start(*self.command, where, f"--config.train.only_folds={folds}", cache=self.cache)


def kill_until_done(world: World, run: str, random_: random.Random, longest: float, kills: int) -> int:
    """Runs the jobs to their end; up to `kills` times one is killed and started again. Returns how many times."""
    world.forget()
    killed, processes = 0, {folds: world.start(run, folds) for folds in JOBS}
    while processes:
        folds, process = random_.choice(list(processes.items()))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(longest * random_.random() if killed < kills else PATIENCE)
        is_killed = process.poll() is None
        if is_killed:
            assert killed < kills, f"{run}: fold {folds} stands still"
            process.kill()
            killed += 1
        said, complaints = process.communicate(PATIENCE)
        assert "Traceback" not in complaints and (is_killed or process.returncode == 0), said + complaints
        del processes[folds]
        if is_killed:
            processes[folds] = world.start(run, folds)
    return killed


def events(workdir: Path) -> list[tuple]:
    if not (workdir / "events.jsonl").exists():  # of a run that is solved
        return []
    lines = [json.loads(line) for line in (workdir / "events.jsonl").read_text().splitlines()]
    return sorted((line["fold"], line["epoch"], line["loss"], line["accuracy"]) for line in lines)


def summary(workdir: Path) -> dict:
    """All that a run says and keeps, without the times."""
    results = json.loads((workdir / "results.json").read_text())
    return {
        "predictions": (workdir / "predictions.csv").read_bytes(),
        "folds": (workdir / "folds.csv").read_bytes(),
        "metrics": results["metrics"],
        "events": events(workdir),
        "files": sorted(path.name for path in workdir.iterdir()),
        "checkpoints": sorted(str(path.relative_to(workdir)) for path in workdir.glob("checkpoints/*/*")),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("command", "kills"), [(RUN, KILLS), (SOLVED, 10)], ids=["trained", "solved"])
def test_kills(command, kills, tmp_path, imagenet_mobilenet):
    """Each moment within a third of the time that an uninterrupted run takes, counted from a start."""
    world, random_ = World(tmp_path, command), random.Random(0)
    for name in ("cold", "whole"):  # the first compiles
        begun = time.monotonic()
        assert kill_until_done(world, name, random_, 0, 0) == 0
    longest = (time.monotonic() - begun) / 3
    expected = summary(tmp_path / "whole")
    assert expected == summary(tmp_path / "cold")
    killed, runs = 0, 0
    while killed < kills:
        name, runs = f"run {runs}", runs + 1
        killed += kill_until_done(world, name, random_, longest, min(10, kills - killed))
        assert summary(tmp_path / name) == expected, name
        assert not list(tmp_path.rglob(".partial-*"))
    print(f"{killed} kills in {runs} runs, {time.monotonic() - begun:.0f} s")
