"""A run of an earlier version answers as it did, and its files are still read; `make.py` made it."""

import csv
import shutil
from pathlib import Path

import pytest

from tests.command import main

HERE = Path(__file__).parent
RELEASES = sorted(path.parent for path in HERE.glob("*/answers.csv"))


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_a_run_of_an_earlier_version_predicts_as_it_did(release, tmp_path):
    out = tmp_path / "answers.csv"
    assert main("predict", f"--workdir={release / 'run'}", release / "scan.nii.gz", f"--out={out}").returncode == 0
    now, then = (next(csv.DictReader(path.read_text().splitlines())) for path in (out, release / "answers.csv"))
    for column in ("probability", "fold_sd"):
        assert float(now[column]) == pytest.approx(float(then[column]), abs=2e-6)
    assert (now["verdict"], now["reason"]) == (then["verdict"], then["reason"])


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_its_results_are_compared_and_reported(release, tmp_path):
    shutil.copytree(release / "run", tmp_path / "run")
    done = main("compare", tmp_path / "run")
    assert done.returncode == 0 and "Dyn + AlexNet + Att" in done.stdout
    assert main("report", f"--workdir={tmp_path / 'run'}").returncode == 0
    assert "SYNTHETIC" in (tmp_path / "run" / "report.html").read_text()


def test_there_is_one():
    assert RELEASES
