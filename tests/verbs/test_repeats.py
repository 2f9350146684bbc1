"""A repeated cross-validation: a run a repeat, and one set of files that holds them all."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from dynjax.cohort.folds import make_folds
from dynjax.cohort.scan import Cohort, Scan
from dynjax.errors import UsageError
from dynjax.run.keys import KEYS, default_config
from dynjax.run.repeats import APART, repeat_seeds
from dynjax.run.workdir import Workdir
from dynjax.verbs.audit import _partitions
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


def test_what_each_repeat_was_made_from_stands_in_the_results(repeated):
    workdir, said = repeated
    results = json.loads((workdir / "results.json").read_text())
    alone = [json.loads((workdir / f"repeat_{r}" / "results.json").read_text())["provenance"] for r in range(3)]
    keys = ("seed", "config_sha256", "folds_sha256")
    expected = [{"repeat": repeat} | {key: each[key] for key in keys} for repeat, each in enumerate(alone)]
    assert results["provenance"]["repeats"] == expected and len({each["folds_sha256"] for each in expected}) == 3
    within = results["metrics"]["roc_auc_within_folds"]
    assert len(within["repeats"]) == 3 and "ROC AUC within folds" in said and "pools" in said


def seeds(seed, repeats, workdir=None):
    config = default_config()
    config.seed, config.train.repeats = seed, repeats
    return repeat_seeds(FrozenConfigDict(config), workdir)


def test_runs_of_different_seeds_share_no_repeat():
    drawn = [each for seed in (0, 1, 2, 99, 100, 101, 12345) for each in seeds(seed, 100)]
    assert len(set(drawn)) == len(drawn) == 700
    assert seeds(7, 1) == [7] and seeds(0, 3) == [0, 1, 2] and seeds(7, 2) == [700, 701]
    assert KEYS["train.repeats"].holds(APART) and not KEYS["train.repeats"].holds(APART + 1)
    with pytest.raises(UsageError, match=f"seed={2**31}: at most {2**32 // 100 - 1}"):
        seeds(2**31, 2)
    assert max(seeds(2**32 // 100 - 1, 100)) < 2**32


def test_a_repeated_run_of_an_earlier_version_goes_on_with_its_seeds(tmp_path):
    """Its repeats have the config's seed plus their number, as their own configs say."""
    for repeat in range(2):
        config = default_config()
        config.seed = 5 + repeat
        Workdir(tmp_path / "w").repeat(repeat).claim(FrozenConfigDict(config))
    assert seeds(5, 4, Workdir(tmp_path / "w")) == [5, 6, 7, 8]
    assert seeds(5, 4, Workdir(tmp_path / "new")) == [500, 501, 502, 503]
    shutil.copytree(tmp_path / "w" / "repeat_1", tmp_path / "late" / "repeat_1")
    assert seeds(5, 4, Workdir(tmp_path / "late")) == [5, 6, 7, 8], "one repeat that is there is enough"


def test_it_is_finished_and_summed_up_as_it_was_begun(tmp_path):
    alone = (*BASELINE[:-1], "--config.seed=5")
    assert main(*alone, f"--workdir={tmp_path / 'w' / 'repeat_0'}").returncode == 0
    config = json.loads((tmp_path / "w" / "repeat_0" / "config.json").read_text())
    config["train"]["repeats"] = 2
    (tmp_path / "w" / "config.json").write_text(json.dumps(config))
    done = main(*alone, "--config.train.repeats=2", f"--workdir={tmp_path / 'w'}")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("nothing to do") == 1
    repeats = json.loads((tmp_path / "w" / "results.json").read_text())["provenance"]["repeats"]
    assert [each["seed"] for each in repeats] == [5, 6]
    done = main("evaluate", f"--workdir={tmp_path / 'w'}")
    assert (done.returncode, done.stderr) == (0, "") and "2 repeats" in done.stdout


def test_the_folds_of_every_repeat_are_audited_as_they_will_be():
    config = default_config()
    config.seed, config.train.repeats, config.train.folds = 3, 2, 2
    scans = tuple(Scan(f"s{i}", "1", ("CN", "AD")[i % 2], Path(f"{i}.nii")) for i in range(12))
    cohort = Cohort(scans, ("CN", "AD"), "table", False, {})
    found = _partitions(FrozenConfigDict(config), cohort, None)
    expected = {f"repeat_{repeat}": make_folds(cohort, 2, 300 + repeat).tolist() for repeat in range(2)}
    assert {name: folds.tolist() for name, folds in found.items()} == expected


def test_other_verbs_know_it(repeated):
    workdir, _ = repeated
    before = (workdir / "results.json").read_text()
    assert main(*BASELINE, f"--workdir={workdir}").stdout.count("nothing to do") == 3
    assert (workdir / "results.json").read_text() == before
    done = main("compare", workdir, workdir / "repeat_0")
    assert done.returncode == 0 and "one repeat with another" in done.stdout
    done = main("report", f"--workdir={workdir}")
    assert done.returncode == 3 and f"report --workdir={workdir / 'repeat_0'}" in done.stderr
    done = main("report", f"--workdir={workdir / 'repeat_2'}")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("report.html", "card.md"):
        assert "This is repeat 2 of 3, numbered from 0" in (workdir / "repeat_2" / name).read_text()


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
