"""What the commands do, called from Python: the same files, the same errors, and results as values."""

import contextlib
import inspect
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
        (RECIPE, {"train": {"folds": "three"}}, r"train\.folds='three': must be a whole number"),
        (RECIPE, {"train": {"fold": 3}}, r"train\.fold: a config has no such key; did you mean train\.folds\?"),
        (RECIPE, {"train": 3}, r"train: is a section of a config; give keys of it, such as \{'train\.KEY': VALUE\}"),
        (RECIPE, {3: 4}, "3: a config has no such key"),
        (RECIPE, ["train.folds=3"], r"changes of a config are a dict, not a list; write load_config\(\"best\", {"),
        ({"train.folds": 3}, None, r"a config is a name, a file or a ConfigDict, and none a dict; write load_config\("),
    ],
)
def test_a_wrong_config_is_said(config, overrides, said):
    with pytest.raises(dynjax.UsageError, match=said):
        dynjax.load_config(config, overrides)


def test_changes_may_be_nested_and_of_numpy():
    config = dynjax.load_config(
        RECIPE, {"train": {"folds": np.int64(4)}, "volume": {"grid": np.full(3, 40), "spacing": np.float32(4)}}
    )
    assert (config.train.folds, config.volume.grid, config.volume.spacing) == (4, (40, 40, 40), 4.0)
    assert type(config.train.folds) is int


def test_a_run_stands_for_its_folder_and_a_word_for_a_list_of_one(workdir):
    run = dynjax.load_run(workdir)
    assert dynjax.load_run(run).workdir == workdir
    with pytest.raises(dynjax.UsageError, match="--subjects=nobody: the run has no such subject"):
        dynjax.explain(run, subjects="nobody", method="cam")
    with pytest.raises(dynjax.UsageError, match=r"scans are files and folders, and none a ndarray; .*networks\[FOLD\]"):
        dynjax.predict(run, [np.zeros((4, 4, 4))])


@pytest.mark.parametrize("verb", [dynjax.predict, dynjax.explain])
def test_a_folder_of_scans_says_what_it_leaves_aside(verb, workdir, tmp_path, capsys):
    for name in ("a.nii", "b.mgz", "c.mgz"):
        (tmp_path / name).touch()
    with contextlib.suppress(dynjax.InputError):
        verb(workdir, tmp_path, out=tmp_path / "out" / "p.csv")
    said = capsys.readouterr().out
    assert f"{tmp_path}: left aside 2 .mgz: a folder stands for its .nii and .nii.gz files; name others one" in said


AT_HOME = {  # parameters that take a path, and what takes it there; below a file, where nothing can be
    ("load_config", "config"): lambda path, _: dynjax.load_config(path),
    ("train", "config"): lambda path, _: dynjax.train(path, "w"),
    ("train", "workdir"): lambda path, _: dynjax.train(RECIPE, path, TINY),
    ("evaluate", "workdir"): lambda path, _: dynjax.evaluate(path),
    ("evaluate", "table"): lambda path, run: dynjax.evaluate(run, table=path, out=run.parent / "new"),
    ("evaluate", "out"): lambda path, run: dynjax.evaluate(run, table="t.csv", out=path),
    ("predict", "workdir"): lambda path, _: dynjax.predict(path, "a.nii"),
    ("predict", "scans"): lambda path, run: raise_reason(dynjax.predict(run, path)),
    ("predict", "table"): lambda path, run: dynjax.predict(run, table=path),
    ("predict", "out"): lambda path, run: dynjax.predict(run, "a.nii", out=path),
    ("explain", "workdir"): lambda path, _: dynjax.explain(path),
    ("explain", "scans"): lambda path, run: dynjax.explain(run, path, method="cam", out=run.parent / "new"),
    ("explain", "table"): lambda path, run: dynjax.explain(run, table=path),
    ("explain", "out"): lambda path, run: dynjax.explain(run, method="cam", out=path),
    ("explain", "atlas"): lambda path, run: dynjax.explain(run, method="cam", atlas=path, out=run.parent / "new"),
    ("explain", "atlas_names"): lambda path, run: dynjax.explain(
        run, method="cam", atlas=a_scan(run), atlas_names=path, out=run.parent / "new"
    ),
    ("load_run", "workdir"): lambda path, _: dynjax.load_run(path),
    ("load_volume", "path"): lambda path, _: dynjax.load_volume(path),
    ("feature_extractor", "weights"): lambda path, _: dynjax.feature_extractor("alexnet", path),
    ("DynamicImageClassifier", "weights"): lambda path, _: dynjax.DynamicImageClassifier(weights=path).fit(
        np.random.default_rng(0).random((4, 8, 8, 8)), [0, 1, 0, 1]
    ),
}


def raise_reason(verdicts):
    raise dynjax.InputError(verdicts[0].reason)


def a_scan(run):
    return find_cohort(dynjax.load_run(run).config).scans[0].path


def test_every_parameter_that_takes_a_path_is_tried_at_home():
    names = [name for name in dynjax.__all__ if not hasattr(getattr(dynjax, name), "exit_code")]  # all but the errors
    signatures = {name: inspect.signature(getattr(dynjax, name)).parameters for name in names}
    taking = {(name, each) for name in signatures for each in signatures[name] if "Path" in str(signatures[name][each])}
    assert taking == set(AT_HOME)


@pytest.mark.parametrize(("name", "parameter"), AT_HOME)
def test_a_path_may_begin_at_home(name, parameter, workdir, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "file.csv").touch()
    run = tmp_path / "run"
    run.symlink_to(workdir)
    with pytest.raises(dynjax.DynjaxError, match=f"{tmp_path}/home/file.csv") as error:
        AT_HOME[name, parameter]("~/file.csv/a", run)
    assert "~" not in str(error.value)


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
