"""Finished runs, made by the command line, for all the tests that look at one."""

import pytest

from tests.command import PHANTOMS, TINY, anew, main
from tests.together import contents, made_once

SMALL = (
    *("--config.volume.grid=32,32,32", "--config.volume.spacing=6.9", "--config.train.folds=3", *PHANTOMS),
    "--config.projection.slabs=2",
)
SOLVED = ("--config=configs/best.py", *SMALL)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """(workdir, what the command printed); no test may write into the workdir, which all of them share."""

    def make(folder):
        done = anew(*TINY, *PHANTOMS, f"--workdir={folder / 'w'}")
        assert (done.returncode, done.stderr) == (0, "")
        (folder / "stdout.txt").write_text(done.stdout)

    folder = made_once(tmp_path_factory, "run", make)
    before = contents(folder)
    yield folder / "w", (folder / "stdout.txt").read_text()
    assert contents(folder) == before, "a test has written into the run that others look at"


@pytest.fixture
def expected(run):
    """predictions.csv of a run that nobody disturbed."""
    return (run[0] / "predictions.csv").read_bytes()


@pytest.fixture(scope="session")
def solved(tmp_path_factory, imagenet_mobilenet):
    """A finished run; no test may write into it."""

    def make(folder):
        done = main(*SOLVED, f"--workdir={folder / 'w'}")
        assert done.returncode == 0, done.stderr
        (folder / "stdout.txt").write_text(done.stdout)

    folder = made_once(tmp_path_factory, "solved", make)
    before = contents(folder)
    yield folder / "w"
    assert contents(folder) == before
