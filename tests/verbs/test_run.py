"""One true run from phantoms to results, by the command line, and what users do with it afterwards."""

import csv
import json
import shutil

import numpy as np
import pytest

from dynjax.cohort.folds import read_folds
from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.errors import DynjaxError, InputError
from dynjax.run.data import find_cohort, load_data
from dynjax.run.trained import load_trained, scored_checkpoint
from dynjax.run.workdir import Workdir
from dynjax.training.checkpoint import latest, read_about
from tests.command import PHANTOMS, TINY, anew, main

RUN = (*TINY, *PHANTOMS)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_what_users_rely_on(run):
    workdir, printed = run
    folds, predictions = rows(workdir / "folds.csv"), rows(workdir / "predictions.csv")
    assert list(folds[0]) == ["subject", "session", "fold"]
    assert list(predictions[0]) == ["subject", "session", "fold", "label", "probability"]
    assert [tuple(row.values())[:3] for row in predictions] == [tuple(row.values()) for row in folds]
    assert len(predictions) == len({row["subject"] for row in predictions}) == 12
    assert {row["label"] for row in predictions} == {"CN", "AD"}
    assert all(0 < float(row["probability"]) < 1 for row in predictions)

    events = [json.loads(line) for line in (workdir / "events.jsonl").read_text().splitlines()]
    assert [(e["fold"], e["epoch"]) for e in events] == [(fold, epoch) for fold in range(3) for epoch in range(1, 5)]
    config = json.loads((workdir / "config.json").read_text())
    assert config["train"]["epochs"] == 4 and config["model"]["name"] == "alexnet"

    results = json.loads((workdir / "results.json").read_text())
    assert (results["schema"], results["positive_class"], results["selection"]) == (1, "AD", "last")
    assert results["n_subjects"] == 12 and results["cohort"]["synthetic"] is True
    assert results["weights"] == {"pretrained": False, "source": None, "sha256": None}
    names = "accuracy,roc_auc,f1,precision,recall,average_precision,balanced_accuracy,specificity,brier"
    assert ",".join(list(results["metrics"])[:9]) == names and results["intervals"]["resamples"] == 2000
    assert results["metrics"]["ece"]["if_calibrated"]["value"] > 0 and "ECE if calibrated" in printed
    assert [fold["fold"] for fold in results["folds"]] == [0, 1, 2]
    assert all(fold["n_train"] + fold["n_test"] == 12 and fold["epoch"] == 4 for fold in results["folds"])
    labels = np.array([row["label"] == "AD" for row in predictions])
    called = np.array([float(row["probability"]) >= 0.5 for row in predictions])
    assert results["metrics"]["accuracy"]["value"] == pytest.approx((labels == called).mean())
    assert {"dynjax", "jax", "flax", "python", "device", "seed", "config_sha256", "folds_sha256", "finished"} == set(
        results["provenance"]
    )
    assert "SYNTHETIC" in printed and "ROC AUC" in printed and "RANDOM weights" in printed


def test_the_same_command_again_changes_nothing_and_says_so(run, tmp_path):
    workdir = shutil.copytree(run[0], tmp_path / "w")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in workdir.rglob("*")}
    done = main(*RUN, f"--workdir={workdir}")
    assert done.returncode == 0 and "nothing to do" in done.stdout
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in workdir.rglob("*")}


def test_evaluate_reproduces_the_predictions_from_the_checkpoints_alone(run, tmp_path):
    workdir, _ = run
    copy = tmp_path / "copy"
    shutil.copytree(workdir, copy)
    for name in ("predictions.csv", "results.json", "events.jsonl"):
        (copy / name).unlink()
    done = anew("evaluate", f"--workdir={copy}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (copy / "predictions.csv").read_bytes() == (workdir / "predictions.csv").read_bytes()
    ours, theirs = (json.loads((folder / "results.json").read_text()) for folder in (copy, workdir))
    assert ours["metrics"] == theirs["metrics"] and ours["folds"] == theirs["folds"]


def test_predict_answers_the_good_scans_and_names_the_bad_ones(run, tmp_path):
    """By the config inside the checkpoints: the workdir's own config.json is gone."""
    workdir = tmp_path / "copy"
    shutil.copytree(run[0], workdir)
    (workdir / "config.json").unlink()
    (workdir / "checkpoints" / "fold_0 of last week").mkdir()
    seen = sorted(phantom_cohort(12).rglob("*.nii.gz"))[0]
    unseen = sorted(phantom_cohort(6, seed=2).rglob("*.nii.gz"))[:2]
    (tmp_path / "text.nii.gz").write_text("no scan")
    (tmp_path / "cut.nii.gz").write_bytes(unseen[0].read_bytes()[:-1000])
    scans = [unseen[0], tmp_path / "text.nii.gz", unseen[1], tmp_path / "cut.nii.gz", tmp_path / "gone.nii.gz", seen]
    done = anew("predict", f"--workdir={workdir}", *scans, f"--out={tmp_path / 'out.csv'}")
    assert done.returncode == 3
    errors = done.stderr.strip().splitlines()
    assert len(errors) == 3 and all(str(path) in line for path, line in zip((scans[1], scans[3], scans[4]), errors))
    assert "no such file" in errors[2]

    answers = rows(tmp_path / "out.csv")
    assert list(answers[0]) == ["path", "verdict", "probability", "fold_sd", "reason"]
    assert [row["path"] for row in answers] == [str(path) for path in scans]
    assert [row["verdict"] for row in answers] == ["ok", "refused", "ok", "refused", "refused", "ok"]
    for row in answers:
        good = row["verdict"] == "ok"
        assert bool(row["probability"]) == bool(row["fold_sd"]) == good
        assert not good or (0 < float(row["probability"]) < 1 and float(row["fold_sd"]) > 0)
    assert "2 of 3 networks were trained on this scan" in answers[5]["reason"]
    assert "networks were trained on this scan" not in answers[0]["reason"]
    assert f"{float(answers[0]['probability']):.3f}" in done.stdout


def test_predictions_of_a_scan_are_those_of_the_fold_that_never_saw_it(run):
    """`predict` and `evaluate` agree: for each network, on a test scan of its own fold."""
    workdir = Workdir(run[0])
    config = workdir.read_config()
    cohort = find_cohort(config)
    data = load_data(config, cohort, read_folds(workdir.folds, cohort, 3))
    written = np.array([float(row["probability"]) for row in rows(workdir.predictions)])
    for index in (0, 5, 11):
        trained = load_trained(scored_checkpoint(workdir, data.folds[index]))
        np.testing.assert_allclose(trained.probability(data.images(np.arange(12) == index)), written[index], rtol=1e-4)


@pytest.mark.parametrize("text", ["[]", "{}", '{"cohort": 3}', "garbage", ""])
def test_a_damaged_config_is_named(run, tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        Workdir(tmp_path).read_config()
    with pytest.raises(DynjaxError, match=str(tmp_path)):
        Workdir(tmp_path).check(Workdir(run[0]).read_config())


def test_a_damaged_checkpoint_is_named(run, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(run[0], workdir)
    largest = max((workdir / "checkpoints" / "fold_1").rglob("*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    done = main("evaluate", f"--workdir={workdir}")
    assert done.returncode == 3 and "fold_1" in done.stderr and "damaged" in done.stderr


@pytest.mark.slow
def test_a_plain_csv_of_the_same_scans_gives_the_same_folds_and_numbers(run, tmp_path):
    """The ADNI layout and a plain CSV, shuffled and with other session names."""
    collection = rows(phantom_cohort(12) / "collection.csv")
    files = {path.parent.name: path for path in phantom_cohort(12).rglob("*.nii.gz")}
    with open(tmp_path / "scans.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["acquired", "path", "label", "session", "subject"])
        for row in reversed(collection):
            path = files[row["Image Data ID"]]
            writer.writerow([row["Acq Date"], path, row["Group"], row["Visit"], row["Subject"]])
    done = main(*TINY, f"--config.cohort.table={tmp_path / 'scans.csv'}", f"--workdir={tmp_path / 'w'}")
    assert (done.returncode, done.stderr) == (0, "") and "SYNTHETIC" not in done.stdout
    for name in ("folds.csv", "predictions.csv"):
        ours, theirs = ([row | {"session": ""} for row in rows(folder / name)] for folder in (tmp_path / "w", run[0]))
        assert ours == theirs
    ours, theirs = (json.loads((folder / "results.json").read_text()) for folder in (tmp_path / "w", run[0]))
    assert ours["metrics"] == theirs["metrics"]


@pytest.mark.slow
def test_folds_of_a_job_array_share_a_workdir(run, tmp_path):
    """Jobs of some folds each; the one that finds all done evaluates, with the same result as a single run."""
    done = main(*RUN, "--config.train.only_folds=2,0", f"--workdir={tmp_path}")
    assert done.returncode == 0 and "not yet" in done.stdout and not (tmp_path / "results.json").exists()
    _score_the_finished_folds(run, tmp_path)
    done = main(*RUN, "--config.train.only_folds=1", f"--workdir={tmp_path}")
    assert done.returncode == 0 and json.loads((tmp_path / "results.json").read_text())["folds_missing"] == []
    assert (tmp_path / "predictions.csv").read_bytes() == (run[0] / "predictions.csv").read_bytes()


def _score_the_finished_folds(run, workdir):
    """Folds 0 and 2 of three."""
    refused = main("evaluate", f"--workdir={workdir}")
    assert refused.returncode == 3 and "fold 1 not trained to the end" in refused.stderr
    done = main("evaluate", f"--workdir={workdir}", "--finished-folds")
    assert (done.returncode, done.stderr) == (0, "")
    assert "fold 1 NOT TRAINED yet" in " ".join(done.stdout.split())
    assert rows(workdir / "predictions.csv") == [row for row in rows(run[0] / "predictions.csv") if row["fold"] != "1"]
    results = json.loads((workdir / "results.json").read_text())
    assert results["folds_missing"] == [1] and [fold["fold"] for fold in results["folds"]] == [0, 2]
    again = main(*RUN, "--config.train.only_folds=0", f"--workdir={workdir}")
    assert again.returncode == 0 and "nothing to do" not in again.stdout
    compared = main("compare", workdir, environment={"COLUMNS": "300"})
    assert "folds 0, 2 alone, NOT CONVERGED" in compared.stdout


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4])
def test_several_devices_give_the_same_answers(run, tmp_path, monkeypatch, devices):
    """A CPU as if it were four devices, which divide each batch among them."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    done = anew(*RUN, f"--config.train.devices={devices}", f"--workdir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    ours, theirs = (
        sorted((event["fold"], event["epoch"], event["loss"]) for event in map(json.loads, text.splitlines()))
        for text in ((folder / "events.jsonl").read_text() for folder in (tmp_path, run[0]))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert [row["label"] for row in rows(tmp_path / "predictions.csv")] == [
        row["label"] for row in rows(run[0] / "predictions.csv")
    ]


def test_more_devices_than_there_are_is_said(tmp_path):
    done = main(*RUN, "--config.train.devices=2", f"--workdir={tmp_path}")
    assert done.returncode == 2 and "train.devices=2: this machine has 1" in done.stderr


def test_all_visits_train_and_a_subject_counts_once(tmp_path):
    short = ("--config.train.folds=2", "--config.train.epochs=1", "--config.cohort.visit=all")
    done = main(*RUN, *short, f"--workdir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    predictions = rows(tmp_path / "predictions.csv")
    results = json.loads((tmp_path / "results.json").read_text())
    assert len(predictions) == results["cohort"]["n_scans"] > results["n_subjects"] == 12
    folds = {(row["subject"], row["fold"]) for row in predictions}
    assert len(folds) == 12, "all visits of a subject lie in one fold"


@pytest.mark.slow
def test_selection_on_test_subjects_is_what_it_says_and_is_called_optimistic(tmp_path):
    """Each fold's network is that of its best epoch; the last epoch of the same run scores no better."""
    variant = [TINY[0] + ":released", *TINY[1:], *PHANTOMS, "--config.train.learning_rate=0.003"]
    done = main(*variant, f"--workdir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "") and "OPTIMISTIC" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["selection"] == "test"
    for fold in results["folds"]:
        about = read_about(latest(tmp_path / "checkpoints" / f"selected_{fold['fold']}"))
        assert about["epoch"] == fold["epoch"] <= 4
        chosen = [fold["metrics"][name]["value"] for name in ("accuracy", "roc_auc")]
        assert about["score"] == pytest.approx(chosen)
        last = load_trained(latest(tmp_path / "checkpoints" / f"fold_{fold['fold']}"))
        assert last.about["epoch"] == 4
    done = main("evaluate", f"--workdir={tmp_path}")
    assert done.returncode == 0 and "OPTIMISTIC" in done.stdout
    assert json.loads((tmp_path / "results.json").read_text())["metrics"] == results["metrics"]


def test_epoch_and_threshold_chosen_on_held_out_training_subjects(tmp_path):
    chosen = ("--config.evaluate.select=validation", "--config.volume.recipe=1")  # whose thresholds are not 0.5
    done = main(*TINY, *PHANTOMS, *chosen, f"--workdir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "") and "selected on a fifth of each" in " ".join(done.stdout.split())
    results = json.loads((tmp_path / "results.json").read_text())
    right = 0
    for fold in results["folds"]:
        about = read_about(latest(tmp_path / "checkpoints" / f"selected_{fold['fold']}"))
        assert about["score"][0] < 0 and fold["epoch"] == about["epoch"]
        assert (fold["n_train"], fold["n_validation"], fold["n_test"]) == (6, 2, 4)
        assert fold["threshold"] == about["threshold"]
        own = [row for row in rows(tmp_path / "predictions.csv") if int(row["fold"]) == fold["fold"]]
        right += sum((float(row["probability"]) >= fold["threshold"]) == (row["label"] == "AD") for row in own)
    assert {fold["threshold"] for fold in results["folds"]} != {0.5}
    assert results["metrics"]["accuracy"]["value"] == pytest.approx(right / 12)
    assert main("evaluate", f"--workdir={tmp_path}").returncode == 0
    assert json.loads((tmp_path / "results.json").read_text())["metrics"] == results["metrics"]


@pytest.mark.parametrize(
    ("config", "change"),
    [("learned_vgg11", ["--config.model.name=alexnet"]), ("resnet3d", [])],
)
@pytest.mark.slow
def test_networks_that_take_in_whole_volumes(config, change, tmp_path):
    small = ("--config.volume.grid=50,50,50", "--config.volume.spacing=4.4", "--config.train.folds=2")
    short = ("--config.train.epochs=1", "--config.train.batch_size=3", "--config.model.pretrained=none")
    small += (*change, "--config.cohort.phantom.n=4")
    done = main(f"--config=configs/{config}.py", *small, *short, f"--workdir={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "") and len(rows(tmp_path / "predictions.csv")) == 4
    scan = next(phantom_cohort(12).rglob("*.nii.gz"))
    done = main("predict", f"--workdir={tmp_path}", scan, f"--out={tmp_path / 'out.csv'}")
    assert done.returncode == 0 and rows(tmp_path / "out.csv")[0]["verdict"] == "ok"


def test_another_config_is_refused(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "w")
    done = main(*RUN, "--config.seed=1", "--config.model.dropout=0.4", f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 2 and "belongs to another config" in done.stderr
    assert "seed: 0 there, 1 here" in done.stderr and "model.dropout: 0.5 there, 0.4 here" in done.stderr


def test_scans_that_change_under_a_run_are_noticed(tmp_path):
    """A resumed run must not mix networks trained on different files."""
    folder = tmp_path / "scans"
    shutil.copytree(phantom_cohort(12), folder)
    arguments = (*TINY, "--config.train.epochs=1", f"--config.cohort.table={folder}", f"--workdir={tmp_path / 'w'}")
    assert main(*arguments, "--config.train.only_folds=0").returncode == 0
    one, other = sorted(folder.rglob("*.nii.gz"))[:2]
    shutil.copyfile(other, one)
    done = main(*arguments)
    assert done.returncode == 3 and "files have changed since" in done.stderr
    shutil.rmtree(next((folder / "ADNI").iterdir()))
    done = main(*arguments)
    assert done.returncode == 3 and "no such file" in done.stderr
