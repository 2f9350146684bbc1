"""A baseline's run: the folds, files and schema of a network's, so that `compare` shows them side by side."""

import json
import shutil

import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from tests.command import PHANTOMS, TINY, main

RUN = (*(option for option in TINY if option.startswith(("--config.volume", "--config.train.folds"))), *PHANTOMS)


def keys(value):
    """A result's structure, down to its numbers."""
    if isinstance(value, dict):
        return {name: keys(inner) for name, inner in value.items()}
    return [keys(inner) for inner in value] if isinstance(value, list) and value and isinstance(value[0], dict) else ...


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("baseline") / "w"
    done = main("--config=configs/baseline_svm.py", *RUN, f"--workdir={workdir}")
    assert (done.returncode, done.stderr) == (0, "")
    return workdir, done.stdout


def test_the_same_folds_and_files_as_a_networks_run(baseline, run):
    workdir, printed = baseline
    assert (workdir / "folds.csv").read_bytes() == (run[0] / "folds.csv").read_bytes()
    ours, theirs = ((folder / "predictions.csv").read_text().splitlines() for folder in (workdir, run[0]))
    assert [line.rpartition(",")[0] for line in ours] == [line.rpartition(",")[0] for line in theirs]
    results, others = (json.loads((folder / "results.json").read_text()) for folder in (workdir, run[0]))
    assert keys(results) == keys(others)
    assert results["weights"]["source"].startswith("scikit-learn ") and results["weights"]["pretrained"] is False
    assert results["model"] == {"name": "svm_voxels", "parameters": 32**3 + 3}
    assert results["folds"][0]["epoch"] is None and results["folds"][0]["train_seconds"] > 0
    assert "SYNTHETIC" in printed and "a baseline by scikit-learn" in printed and "RANDOM" not in printed


def test_compare_shows_it_beside_a_network(baseline, run, tmp_path):
    done = main("compare", baseline[0], run[0], f"--out={tmp_path / 'rows.csv'}")
    assert (done.returncode, done.stderr) == (0, "")
    row = next(line for line in done.stdout.splitlines() if "Linear SVM on voxels" in line)
    assert "SYNTHETIC, a baseline by scikit-learn" in row and "epochs" not in row
    assert "Dyn + AlexNet + Att" in done.stdout


def test_again_there_is_nothing_to_do_and_evaluate_fits_it_again(baseline):
    workdir, _ = baseline
    before = (workdir / "predictions.csv").read_bytes()
    done = main("--config=configs/baseline_svm.py", *RUN, f"--workdir={workdir}")
    assert done.returncode == 0 and "nothing to do" in done.stdout
    (workdir / "predictions.csv").unlink()
    done = main("evaluate", f"--workdir={workdir}")
    assert done.returncode == 0 and (workdir / "predictions.csv").read_bytes() == before


def test_without_age_and_sex_no_trace_is_left(tmp_path):
    scans = [("a", "CN"), ("b", "CN"), ("c", "AD"), ("d", "AD")]
    paths = sorted(phantom_cohort(12).rglob("*.nii.gz"))
    for (subject, _), path in zip(scans, paths):
        shutil.copyfile(path, tmp_path / f"{subject}.nii.gz")
    lines = [f"{subject},1,{label},{subject}.nii.gz,70" for subject, label in scans]
    (tmp_path / "scans.csv").write_text("\n".join(["subject,session,label,path,age", *lines]))
    table = f"--config.cohort.table={tmp_path / 'scans.csv'}"
    config = ("--config=configs/baseline_age_sex.py", *RUN)
    done = main(*config, table, "--config.train.folds=2", f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 3 and "subject a, session 1: sex ''" in done.stderr and "age 7" not in done.stderr
    assert not (tmp_path / "w" / "config.json").exists()
