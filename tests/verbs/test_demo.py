"""What the demo promises, run in full."""

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
    done = main("--config=configs/dyn_mobilenet_v2.py:quick", f"--workdir={tmp_path}", timeout=1500)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["n_subjects"] == 100 and results["weights"]["pretrained"] is True
    auc = results["metrics"]["roc_auc"]
    assert auc["value"] >= 0.75 and auc["ci95"][0] < best_auc(SEPARATION)
