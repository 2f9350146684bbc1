"""kill -9 at fifty random moments: whatever is then on the disk, the same command goes on to the same answers."""

import json
import multiprocessing
import os
import random
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.command import PHANTOMS, ROOT, TINY

KILLS, JOBS = 50, ("0,1,2", "3,4")  # two processes at a time share a workdir, and either may be killed
RUN = (*TINY, *PHANTOMS, "--config.train.folds=5")
PATIENCE = 300  # seconds that a run which nobody kills may take


@pytest.fixture(scope="module")
def context():
    """Processes that are forked from one that has imported all: what takes a second for a user takes none here."""
    os.environ["PYTHONPATH"] = str(ROOT)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["main", "dynjax.verbs.train"])
    return context


def command(arguments: list[str], cache: Path, log: Path) -> None:
    """`python main.py ARGUMENTS`, its output appended to `log`."""
    os.chdir(ROOT)
    os.environ["DYNJAX_CACHE"] = str(cache)
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["main.py", *arguments]
    import main as program

    program.command_line.run(program.VERBS, program.NEEDS)


class World:
    """A cache of its own, for runs in the folders beside it; jax knows its programs by the path that they lie at."""

    def __init__(self, context, folder: Path):
        self.context, self.folder, self.cache = context, folder, folder / "cache"

    def forget(self) -> None:
        """Projections and verdicts, so that the next run makes them anew."""
        for name in ("projections", "checked"):
            shutil.rmtree(self.cache / name, ignore_errors=True)

    def start(self, run: str, folds: str):
        arguments = [*RUN, f"--workdir={self.folder / run}", f"--config.train.only_folds={folds}"]
        process = self.context.Process(target=command, args=(arguments, self.cache, self.log(run, folds)))
        process.start()
        return process

    def log(self, run: str, folds: str) -> Path:
        return self.folder / f"{run} {folds}.log"


def kill_until_done(world: World, run: str, random_: random.Random, longest: float, kills: int) -> int:
    """Runs the jobs to their end; up to `kills` times one is killed and started again. Returns how many times."""
    world.forget()
    killed, processes = 0, {folds: world.start(run, folds) for folds in JOBS}
    while processes:
        folds, process = random_.choice(list(processes.items()))
        process.join(longest * random_.random() if killed < kills else PATIENCE)
        if process.exitcode is None:
            assert killed < kills, f"{run}: fold {folds} stands still"
            process.kill()
            process.join()
            killed += 1
            processes[folds] = world.start(run, folds)
        else:
            said = world.log(run, folds).read_text()
            assert process.exitcode == 0 and "Traceback" not in said, said
            del processes[folds]
    return killed


def events(workdir: Path) -> list[tuple]:
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
def test_fifty_kills(context, tmp_path):
    """Each moment within a third of the time that an uninterrupted run takes, counted from a start."""
    world, random_ = World(context, tmp_path), random.Random(0)
    for name in ("cold", "whole"):  # the first compiles
        begun = time.monotonic()
        assert kill_until_done(world, name, random_, 0, 0) == 0
    longest = (time.monotonic() - begun) / 3
    expected = summary(tmp_path / "whole")
    assert expected == summary(tmp_path / "cold")
    killed, runs = 0, 0
    while killed < KILLS:
        name, runs = f"run {runs}", runs + 1
        killed += kill_until_done(world, name, random_, longest, min(10, KILLS - killed))
        assert summary(tmp_path / name) == expected, name
        assert not list(tmp_path.rglob(".partial-*"))
    print(f"{killed} kills in {runs} runs, {time.monotonic() - begun:.0f} s")
