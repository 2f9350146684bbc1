"""What the commands do, called from Python: the same files, the same errors, and results as values."""

import json

import nibabel
import numpy as np
import pytest
from ml_collections import ConfigDict

import dynjax
from dynjax.csv_table import write_csv
from dynjax.evaluation.predictions import read_predictions
from dynjax.run.data import find_cohort
from tests.api.conftest import RECIPE, TINY


def test_load_config_changes_keys_and_checks_them(tmp_path):
    config = dynjax.load_config(RECIPE, {**TINY, "cohort.labels": ["CN", "MCI"], "train.folds": 4})
    assert isinstance(config, ConfigDict) and config.train.folds == 4 and config.cohort.labels == ("CN", "MCI")
    assert config.volume.grid == (32, 32, 32) and config.model.name == "mobilenet_v2"
    again = dynjax.load_config(config, {"cohort.table": "scans.csv"})
    assert again.cohort.table.startswith("/") and config.cohort.table == ""
    assert (
        dynjax.load_config("configs/dyn_vgg11.py:quick").train.epochs
        != dynjax.load_config("configs/dyn_vgg11.py").train.epochs
    )


@pytest.mark.parametrize(
    ("config", "overrides", "said"),
    [
        ("nowhere.py", {}, "nowhere.py"),
        (RECIPE, {"train.fold": 3}, r"train\.fold: a config has no such key; did you mean train\.folds\?"),
        (RECIPE, {"train.folds": "three"}, r"train\.folds='three': must be a whole number"),
        (RECIPE, {"volume.grid": 3}, r"volume\.grid=3: must be"),
        (RECIPE, {"train.epochs": 7}, "means nothing to a solved head"),
    ],
)
def test_a_wrong_config_is_said(config, overrides, said):
    with pytest.raises(dynjax.UsageError, match=said):
        dynjax.load_config(config, overrides)


def test_train_returns_the_run_and_goes_on_where_it_stopped(workdir, capsys):
    again = dynjax.train(RECIPE, workdir, TINY)
    assert "nothing to do" in capsys.readouterr().out
    assert again.workdir == workdir and again.results["n_subjects"] == 12 and again.lacks == []
    with pytest.raises(dynjax.UsageError, match="belongs to another config"):
        dynjax.train(RECIPE, workdir, TINY | {"model.penalty": 1.0})


def test_predict_returns_a_verdict_a_scan(workdir, scans, tmp_path, capsys):
    (tmp_path / "bad.nii.gz").write_bytes(b"no scan")
    paths = [scans[0][0].path, tmp_path / "bad.nii.gz"]
    good, bad = dynjax.predict(workdir, paths, out=tmp_path / "p.csv", allow_unlike=True)
    assert (good.path, good.verdict) == (str(paths[0]), "ok") and 0 <= good.probability <= 1 and good.fold_sd > 0
    assert (bad.verdict, bad.probability) == ("refused", None) and "bad.nii.gz" in bad.reason
    assert f"{good.probability:.3f}" in capsys.readouterr().out and (tmp_path / "p.csv").exists()
    assert (
        dynjax.predict(workdir, paths[0], allow_unlike=True)[0].probability == good.probability
    )  # not letter by letter
    assert good._fields[:5] == ("path", "verdict", "probability", "fold_sd", "reason")


def test_explain_returns_the_maps_that_it_writes(workdir, scans, tmp_path):
    (found,) = dynjax.explain(workdir, scans[0][0].path, method="cam", out=tmp_path, allow_unlike=True)
    written = nibabel.load(found.folder / "attribution.nii.gz")
    assert found.values.shape == (32, 32, 32) and found.folder.parent == tmp_path
    np.testing.assert_array_equal(found.values, np.asarray(written.dataobj))
    np.testing.assert_allclose(found.affine, written.affine)
    assert found.about == json.loads((found.folder / "attribution.json").read_text())
    assert found.about["sum"] == pytest.approx(float(found.values.sum()), abs=1e-3)
    subjects = [scans[1][0].subject, scans[2][0].subject]
    maps = dynjax.explain(workdir, subjects=subjects, method="cam", out=tmp_path / "run")
    assert [each.folder.name.startswith(subject) for each, subject in zip(maps, subjects)] == [True, True]


def test_evaluate_scores_another_cohort(workdir, tmp_path):
    table = tmp_path / "scans.csv"
    others = dynjax.load_config(RECIPE, TINY | {"cohort.phantom.seed": 1})
    rows = [(f"e{place}", "1", each.label, each.path) for place, each in enumerate(find_cohort(others).scans)]
    write_csv(table, ["subject", "session", "label", "path"], rows)
    found = dynjax.evaluate(workdir, table=table, out=tmp_path / "o")
    assert found.results["external"]["networks"] == 3 and len(found.predictions.subjects) == 12
    assert found.lacks == [f"its networks are those of {workdir}"] and len(found.networks) == 3
    own = read_predictions(tmp_path / "o" / "predictions.csv")
    assert found.predictions.probabilities.tolist() == [row.probability for row in own]


@pytest.mark.parametrize(
    "verb", [dynjax.evaluate, dynjax.load_run, lambda w: dynjax.predict(w, "x.nii"), dynjax.explain]
)
def test_a_folder_that_is_no_run_is_said(verb, tmp_path):
    with pytest.raises(dynjax.InputError, match="nowhere: no such folder"):
        verb(tmp_path / "nowhere")
    with pytest.raises(dynjax.InputError, match="holds no run"):
        verb(tmp_path)
