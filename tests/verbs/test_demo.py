"""What the demo promises, run in full."""

import json

import pytest

from dynjax.cohort.phantom.subject import SEPARATION, best_auc
from tests.command import main


@pytest.mark.slow
def test_the_demo_learns_and_stays_below_the_ceiling(imagenet_mobilenet, tmp_path):
    done = main("--config=configs/dyn_mobilenet_v2.py:quick", f"--workdir={tmp_path}", timeout=1500)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["n_subjects"] == 100 and results["weights"]["pretrained"] is True
    auc = results["metrics"]["roc_auc"]
    assert auc["value"] >= 0.75 and auc["ci95"][0] < best_auc(SEPARATION)
