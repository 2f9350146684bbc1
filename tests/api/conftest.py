"""A finished run of the recipe, made from Python on twelve phantoms, for all the tests that look at one."""

import pytest

import dynjax
from tests.together import contents, made_once

TINY = {"volume.grid": (32, 32, 32), "volume.spacing": 6.9, "cohort.phantom.n": 12, "train.folds": 3}
RECIPE = "configs/best.py"


@pytest.fixture(scope="session")
def workdir(tmp_path_factory, imagenet_mobilenet):
    """The folder of the run; no test may write into it."""
    folder = made_once(tmp_path_factory, "api", lambda folder: dynjax.train(RECIPE, folder / "w", TINY)) / "w"
    before = contents(folder)
    yield folder
    assert contents(folder) == before


@pytest.fixture(scope="session")
def scans(workdir):
    """Pairs (scan, fold) of the run."""
    from dynjax.run.data import find_cohort

    run = dynjax.load_run(workdir)
    return list(zip(find_cohort(run.config).scans, run.folds.folds.tolist()))
