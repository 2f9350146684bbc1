"""One finished run, made by the command line, for all the tests that look at one."""

import pytest

from tests.command import PHANTOMS, TINY, main


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """(workdir, what the command printed)"""
    workdir = tmp_path_factory.mktemp("run") / "w"
    done = main(*TINY, *PHANTOMS, f"--workdir={workdir}")
    assert (done.returncode, done.stderr) == (0, "")
    return workdir, done.stdout


@pytest.fixture
def expected(run):
    """predictions.csv of a run that nobody disturbed."""
    return (run[0] / "predictions.csv").read_bytes()
