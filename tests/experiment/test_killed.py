"""kill -9 at fifty random moments: whatever is then on the disk, the same command goes on to the same answers."""

import json
import multiprocessing
import os
import random
import sys
import time
from pathlib import Path

import pytest

from tests.command import PHANTOMS, ROOT, TINY, main

KILLS, JOBS = 50, ("0,1,2", "3,4")  # two processes at a time share a workdir, and either may be killed
RUN = (*TINY, *PHANTOMS, "--config.train.folds=5")
PATIENCE = 300  # seconds that a run which nobody kills may take


@pytest.fixture(scope="module")
def context():
    """Processes that are forked from one that has imported all: what takes a second for a user takes none here."""
    os.environ["PYTHONPATH"] = str(ROOT)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["main", "dynjax.experiment.train"])
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


def start(context, folder: Path, folds: str):
    arguments = [*RUN, f"--workdir={folder / 'w'}", f"--config.train.only_folds={folds}"]
    process = context.Process(target=command, args=(arguments, folder / "cache", folder / f"log {folds}"))
    process.start()
    return process


def world(folder: Path) -> Path:
    """A cache without projections and verdicts; phantoms and compiled programs are lent to it."""
    (folder / "cache").mkdir(parents=True)
    for name in ("phantoms", "xla"):
        (folder / "cache" / name).symlink_to(Path(os.environ["DYNJAX_CACHE"]) / name)
    return folder


def kill_until_done(context, folder: Path, random_: random.Random, longest: float, kills: int) -> int:
    """Runs the jobs to their end; up to `kills` times one is killed and started again. Returns how many times."""
    killed, processes = 0, {folds: start(context, folder, folds) for folds in JOBS}
    while processes:
        folds, process = random_.choice(list(processes.items()))
        process.join(longest * random_.random() ** 2 if killed < kills else PATIENCE)
        if process.exitcode is None:
            assert killed < kills, f"{folder}: fold {folds} stands still"
            process.kill()
            process.join()
            killed += 1
            processes[folds] = start(context, folder, folds)
        else:
            assert process.exitcode == 0, (folder / f"log {folds}").read_text()
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
    assert main(*RUN, f"--workdir={tmp_path / 'warm'}").returncode == 0
    begun = time.monotonic()
    assert kill_until_done(context, world(tmp_path / "whole"), random.Random(0), 0, 0) == 0
    longest = 0.3 * (time.monotonic() - begun)
    expected = summary(tmp_path / "whole" / "w")
    assert expected["predictions"] == (tmp_path / "warm" / "predictions.csv").read_bytes()
    killed, runs, random_ = 0, 0, random.Random(0)
    while killed < KILLS:
        folder, runs = world(tmp_path / f"run {runs}"), runs + 1
        killed += kill_until_done(context, folder, random_, longest, min(10, KILLS - killed))
        assert summary(folder / "w") == expected, folder
        assert not list(folder.rglob(".partial-*")) and "Traceback" not in "".join(
            log.read_text() for log in folder.glob("log *")
        )
    print(f"{killed} kills in {runs} runs, {time.monotonic() - begun:.0f} s")
