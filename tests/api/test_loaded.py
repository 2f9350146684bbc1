"""A loaded run has what its folder has, its networks answer as it did, and it says what it lacks."""

import csv
import shutil

import numpy as np
import pytest

import dynjax
from tests.api.conftest import RECIPE, TINY


@pytest.fixture(scope="module")
def run(workdir):
    return dynjax.load_run(workdir)


@pytest.fixture(scope="module")
def volumes(run, scans):
    return np.stack([run.read_scan(scan.path) for scan, _ in scans])


def test_it_has_what_its_files_say(run):
    with open(run.workdir / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert run.predictions.subjects.tolist() == [row["subject"] for row in rows]
    assert run.predictions.labels.tolist() == [row["label"] for row in rows]
    np.testing.assert_array_equal(run.predictions.probabilities, [float(row["probability"]) for row in rows])
    assert run.predictions.folds.dtype.kind == "i" and set(run.predictions.repeats.tolist()) == {0}
    assert dict(zip(run.folds.subjects, run.folds.folds)) == dict(zip(run.predictions.subjects, run.predictions.folds))
    assert run.results["metrics"]["roc_auc"]["value"] is not None and run.config.model.penalty == 3.0


def test_its_networks_answer_as_it_did(run, scans, volumes):
    folds = np.array([fold for _, fold in scans])
    for fold, network in run.networks.items():
        own = run.predictions.probabilities[run.predictions.folds == fold]
        found = network(volumes[folds == fold])
        assert found.dtype == np.float32 and network.about["fold"] == fold
        np.testing.assert_allclose(found, own, atol=1e-6)
    images = np.stack([dynjax.project(each, "mean", "axial+coronal+sagittal", slabs=6) for each in volumes[:2]])
    np.testing.assert_allclose(run.networks[0].of_images(images), run.networks[0](volumes[:2]), atol=1e-6)
    assert run.networks[0](volumes[:0]).shape == (0,)


def test_networks_refuse_in_words(run, volumes):
    network, holed = run.networks[0], volumes[:3].copy()
    holed[1, 4, 5, 6] = np.nan
    with pytest.raises(ValueError, match="volumes 1: NaN or infinite numbers"):
        network(holed)
    with pytest.raises(ValueError, match=r"takes volumes of the shape \[N, 32, 32, 32\], not \[32, 32, 32\]"):
        network(volumes[0])
    with pytest.raises(ValueError, match=r"takes images of the shape \[N, 18, 32, 32\], not \[2, 32, 32\]"):
        network.of_images(volumes[0, :2])


def test_a_partial_run_says_what_it_lacks(workdir, tmp_path, volumes):
    partial = dynjax.train(RECIPE, tmp_path / "w", TINY | {"train.only_folds": (1,)})
    assert partial.lacks == [
        "folds 0, 2 not trained to the end",
        "no results.json and predictions.csv yet: train it to its end, or evaluate it",
    ]
    assert list(partial.networks) == [1] and all(sentence in repr(partial) for sentence in partial.lacks)
    np.testing.assert_allclose(
        partial.networks[1](volumes[:2]), dynjax.load_run(workdir).networks[1](volumes[:2]), atol=1e-6
    )
    with pytest.raises(dynjax.InputError, match=r"results\.json: no such file; run train"):
        _ = partial.results
    finished = dynjax.evaluate(tmp_path / "w", finished_folds=True)
    assert set(finished.predictions.folds.tolist()) == {1} and finished.results["folds_missing"] == [0, 2]
    assert finished.lacks == ["folds 0, 2 not trained to the end"]


def test_a_repeated_run_has_networks_by_repeat_and_fold(tmp_path, imagenet_mobilenet):
    run = dynjax.train(RECIPE, tmp_path / "w", TINY | {"train.repeats": 2})
    assert sorted(run.networks) == [(repeat, fold) for repeat in range(2) for fold in range(3)]
    assert len(run.predictions.subjects) == len(run.folds.subjects) == 24 and run.results["repeats"] == 2
    assert run.predictions.repeats.tolist() == [0] * 12 + [1] * 12 and run.lacks == []
    shutil.rmtree(tmp_path / "w" / "repeat_1")
    assert dynjax.load_run(tmp_path / "w").lacks == ["folds 0, 1, 2 of repeat_1 not trained to the end"]


def test_a_baseline_has_no_networks(tmp_path):
    run = dynjax.train("configs/baseline_age_sex.py", tmp_path / "w", TINY)
    assert run.lacks == ["age_sex is a baseline, which keeps no networks"] and len(run.predictions.labels) == 12
    with pytest.raises(dynjax.InputError, match="age_sex is a baseline"):
        _ = run.networks


def test_an_external_run_whose_networks_are_gone_says_so(workdir, tmp_path):
    shutil.copytree(workdir, tmp_path / "w")
    (tmp_path / "o").mkdir()
    text = (tmp_path / "w" / "config.json").read_text()
    (tmp_path / "o" / "external.json").write_text(f'{{"run": "{tmp_path / "w"}", "networks": 3, "config": {text}}}')
    assert dynjax.load_run(tmp_path / "o").lacks[0] == f"its networks are those of {tmp_path / 'w'}"
    shutil.rmtree(tmp_path / "w")
    assert dynjax.load_run(tmp_path / "o").lacks[0] == f"its networks are gone: {tmp_path / 'w'} held them"


def test_a_run_in_words(run):
    assert repr(run).startswith(f"Run of mobilenet_v2 in {run.workdir}\nSYNTHETIC: trained on")


BROKEN = [  # a file of a run, what is written over it or None to remove it, and what the run says of it
    ("config.json", None, "config.json: no such file; is {w} the workdir of a run?"),
    ("config.json", "{", "config.json: damaged: not JSON"),
    ("results.json", "{}", "results.json: damaged or of an older version; run evaluate on this workdir"),
    ("results.json", None, "no results.json and predictions.csv yet"),
]


@pytest.mark.parametrize(("name", "text", "said"), BROKEN)
def test_a_broken_run_is_shown_and_says_what_it_lacks(name, text, said, workdir, tmp_path):
    folder = shutil.copytree(workdir, tmp_path / "w", ignore=shutil.ignore_patterns("reference"))
    (folder / name).unlink() if text is None else (folder / name).write_text(text)
    broken = dynjax.load_run(folder)
    assert [said.format(w=folder) in sentence for sentence in broken.lacks] == [True]
    assert repr(broken).startswith("Run ") and repr(broken).endswith(broken.lacks[0])


def test_a_run_whose_checkpoint_is_damaged_is_shown(workdir, tmp_path):
    folder = shutil.copytree(workdir, tmp_path / "w")
    for path in (folder / "checkpoints" / "fold_1").rglob("*.json"):
        path.write_text("{")
    (lacking,) = dynjax.load_run(folder).lacks
    assert "checkpoints/fold_1" in lacking and lacking in repr(dynjax.load_run(folder))
