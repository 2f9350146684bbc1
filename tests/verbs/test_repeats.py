"""A repeated cross-validation: a run a repeat, and one set of files that holds them all."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.command import PHANTOMS, TINY, main

SMALL = tuple(option for option in TINY if option.startswith(("--config.volume", "--config.train.folds")))
BASELINE = ("--config=configs/baseline_brain_volume.py", *SMALL, *PHANTOMS, "--config.train.repeats=3")


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("repeats") / "w"
    done = main(*BASELINE, f"--workdir={workdir}")
    assert (done.returncode, done.stderr) == (0, "")
    return workdir, done.stdout


def test_a_subject_stands_once_a_repeat(repeated):
    workdir, said = repeated
    assert "repeat 2 of 3" in said and "SYNTHETIC" in said and "SD, repeats" in said
    for name in ("folds", "predictions"):
        whole = rows(workdir / f"{name}.csv")
        assert next(iter(whole[0])) == "repeat" and len(whole) == 36
        for repeat in range(3):
            own = [{k: v for k, v in row.items() if k != "repeat"} for row in whole if row["repeat"] == str(repeat)]
            assert own == rows(workdir / f"repeat_{repeat}" / f"{name}.csv")
    assert rows(workdir / "repeat_0" / "folds.csv") != rows(workdir / "repeat_1" / "folds.csv")
    results = json.loads((workdir / "results.json").read_text())
    alone = [json.loads((workdir / f"repeat_{r}" / "results.json").read_text()) for r in range(3)]
    values = [each["metrics"]["roc_auc"]["value"] for each in alone]
    assert results["metrics"]["roc_auc"]["repeats"] == pytest.approx(values) and len(set(values)) > 1
    assert results["metrics"]["roc_auc"]["value"] == pytest.approx(np.mean(values))
    assert [(fold["repeat"], fold["fold"]) for fold in results["folds"]] == [(r, f) for r in range(3) for f in range(3)]


def test_other_verbs_know_it(repeated):
    workdir, _ = repeated
    before = (workdir / "results.json").read_text()
    assert main(*BASELINE, f"--workdir={workdir}").stdout.count("nothing to do") == 3
    assert (workdir / "results.json").read_text() == before
    done = main("compare", workdir, workdir / "repeat_0")
    assert done.returncode == 0 and "one repeat with another" in done.stdout
    done = main("report", f"--workdir={workdir}")
    assert done.returncode == 3 and f"report --workdir={workdir / 'repeat_0'}" in done.stderr


@pytest.mark.slow
def test_all_networks_answer_a_new_scan(run, tmp_path):
    done = main(*TINY, *PHANTOMS, "--config.train.repeats=2", f"--workdir={tmp_path / 'w'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "w" / "repeat_0" / "predictions.csv").read_bytes() == (run[0] / "predictions.csv").read_bytes()
    source = json.loads((run[0] / "results.json").read_text())["cohort"]["source"]
    scan = next(Path(source).parent.rglob("*.nii.gz"))
    done = main("predict", f"--workdir={tmp_path / 'w'}", scan)
    assert done.returncode == 0 and "over 6 networks" in done.stdout
    done = main("evaluate", f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 0 and "SD, repeats" in done.stdout
