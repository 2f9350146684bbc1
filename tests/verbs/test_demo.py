"""Runs what the demo promises."""

import json

import pytest

from dynjax.cohort.phantom.subject import SEPARATION, best_auc
from tests.command import main


@pytest.mark.slow
def test_the_recipe_and_a_baseline_stand_on_one_page(imagenet_mobilenet, tmp_path):
    for config, folder in (("best", "best"), ("baseline_svm", "baselines/svm")):
        done = main(f"--config=configs/{config}.py", f"--workdir={tmp_path / folder}", timeout=1500)
        assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((tmp_path / "best" / "results.json").read_text())["metrics"]
    assert found["roc_auc"]["value"] >= 0.85 and found["roc_auc"]["ci95"][0] < best_auc(SEPARATION)
    assert 0.5 < found["calibration_slope"]["value"] < 2
    done = main("report", f"--workdir={tmp_path / 'best'}")
    page = (tmp_path / "best" / "report.html").read_text()
    assert done.returncode == 0 and "Linear SVM on voxels" in page and "by rows from the top: axial" in page


@pytest.mark.slow
def test_the_demo_learns_and_stays_below_the_ceiling(imagenet_mobilenet, tmp_path):
    """Evaluated again from the checkpoints, it answers as it did: its batch statistics are kept as well."""
    done = main("--config=configs/dyn_mobilenet_v2.py:quick", f"--workdir={tmp_path}", timeout=1500)
    assert (done.returncode, done.stderr) == (0, "")
    predictions = (tmp_path / "predictions.csv").read_bytes()
    assert main("evaluate", f"--workdir={tmp_path}").returncode == 0
    assert (tmp_path / "predictions.csv").read_bytes() == predictions
    results = json.loads((tmp_path / "results.json").read_text())
    weights = results["weights"]
    assert weights["pretrained"] is True and weights["sha256"].startswith("b0353104")
    assert weights["source"] == "mobilenet_v2-b0353104.pth"
    auc = results["metrics"]["roc_auc"]
    assert results["n_subjects"] == 100 and auc["value"] >= 0.75 and auc["ci95"][0] < best_auc(SEPARATION)
