"""A baseline's run: the folds, files and schema of a network's, so that `compare` shows them side by side."""

import csv
import json
import shutil

import numpy as np
import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.evaluation.predictions import read_predictions
from dynjax.linear.answer import fit_linear
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
    size = 32**3 + 3
    assert results["model"] == {"name": "svm_voxels", "parameters": size, "total_parameters": size, "solved": False}
    assert results["folds"][0]["epoch"] is None and results["folds"][0]["train_seconds"] > 0
    assert "SYNTHETIC" in printed and "a baseline by scikit-learn" in printed and "RANDOM" not in printed


def test_compare_shows_it_beside_a_network(baseline, run, tmp_path):
    done = main("compare", baseline[0], run[0], f"--out={tmp_path / 'rows.csv'}", environment={"COLUMNS": "300"})
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


def test_a_mask_runs_as_any_baseline_and_compare_names_it(run, tmp_path):
    done = main("--config=configs/baseline_mask.py", *RUN, f"--workdir={tmp_path / 'w'}")
    assert (done.returncode, done.stderr) == (0, "") and "a baseline by scikit-learn" in done.stdout
    results = json.loads((tmp_path / "w" / "results.json").read_text())
    assert results["model"]["name"] == "svm_mask" and results["model"]["parameters"] == 32**3 + 3
    assert results["folds"][0]["penalty"] is None
    done = main("compare", tmp_path / "w", run[0], "--paired")
    assert done.returncode == 0 and "Linear SVM on the mask" in done.stdout


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """A folder with the same vectors of the phantoms as vectors.csv and vectors.npz, and a scan of nobody's."""
    folder = tmp_path_factory.mktemp("vectors")
    scans, rng = load_cohort(phantom_cohort(12)).scans, np.random.default_rng(0)
    values = rng.normal(0, 1, (len(scans) + 1, 30))
    values[:-1, :3] += 2 * np.array([scan.label == "AD" for scan in scans])[:, None]
    ids = [*((scan.subject, scan.session) for scan in scans), ("nobody", "1")]
    with open(folder / "vectors.csv", "w", newline="") as file:
        rows = [[*who, *vector] for who, vector in zip(ids, values.tolist())]
        csv.writer(file).writerows([["subject", "session", *(f"v{n}" for n in range(30))], *rows])
    np.savez(folder / "vectors.npz", subject=[who for who, _ in ids], session=[when for _, when in ids], vectors=values)
    return folder, scans, values


@pytest.fixture(scope="module")
def embedding(vectors):
    def fit(name):
        workdir = vectors[0] / f"w_{name}"
        done = main(*EMBEDDING, f"--config.cohort.embeddings={vectors[0] / name}", f"--workdir={workdir}")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return workdir, done.stdout

    return fit("vectors.csv"), fit("vectors.npz")


EMBEDDING = ("--config=configs/baseline_embedding.py", *RUN)


def test_an_embedding_gets_the_linear_answer_in_the_same_folds(embedding, vectors, run):
    (workdir, printed), _ = embedding
    _, scans, values = vectors
    assert (workdir / "folds.csv").read_bytes() == (run[0] / "folds.csv").read_bytes()
    assert "vectors.csv: 30 numbers for each of 12 scans; 1 row of scans outside the cohort ignored" in printed
    predictions = {prediction.subject: prediction for prediction in read_predictions(workdir / "predictions.csv")}
    folds = np.array([predictions[scan.subject].fold for scan in scans])
    targets, subjects = (
        np.array([scan.label == "AD" for scan in scans], int),
        np.array([scan.subject for scan in scans]),
    )
    results = json.loads((workdir / "results.json").read_text())
    for fold in range(3):
        train, test = folds != fold, folds == fold
        model = fit_linear(values[:-1][train], targets[train], subjects[train], seed=0)
        given = [predictions[subject].probability for subject in subjects[test]]
        assert given == pytest.approx(model.predict_proba(values[:-1][test])[:, 1], abs=1e-9)
        assert results["folds"][fold]["penalty"] == model.penalty
    assert results["model"]["name"] == "embedding" and results["model"]["parameters"] == 31
    assert results["weights"]["source"].endswith(" on vectors.csv") and len(results["weights"]["sha256"]) == 64


def test_either_file_gives_the_same_answers_and_compare_and_report_name_it(embedding, run):
    (ours, _), (theirs, _) = embedding
    assert (ours / "predictions.csv").read_bytes() == (theirs / "predictions.csv").read_bytes()
    done = main("compare", run[0], ours, theirs, "--paired")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Embedding, vectors.csv" in done.stdout and "Embedding, vectors.npz" in done.stdout
    done = main("report", f"--workdir={ours}")
    page = (ours / "report.html").read_text()
    assert done.returncode == 0 and "penalty" in page and "vectors.csv" in page and str(ours.parent) not in page
    (ours / "predictions.csv").unlink()
    done = main("evaluate", f"--workdir={ours}")
    assert done.returncode == 0 and (ours / "predictions.csv").read_bytes() == (theirs / "predictions.csv").read_bytes()


@pytest.mark.parametrize(
    ("config", "file", "code", "said"),
    [
        ("embedding", "", 2, "cohort.embeddings='': name the .csv or .npz"),
        ("mask", "vectors.csv", 2, "is for model.name='embedding', not for 'svm_mask'; leave it out"),
        ("embedding", "gone.npz", 3, "gone.npz: no such file"),
        ("embedding", "few.csv", 3, "it needs one row for each of the 12 scans of the cohort"),
    ],
)
def test_an_embedding_without_its_file_or_a_file_without_its_embedding_leaves_no_trace(
    config, file, code, said, vectors, tmp_path
):
    lines = (vectors[0] / "vectors.csv").read_text().splitlines(keepends=True)
    (tmp_path / "few.csv").write_text("".join(lines[:5]))
    (tmp_path / "vectors.csv").write_text("".join(lines))
    path = tmp_path / file if file else ""
    options = (f"--config=configs/baseline_{config}.py", *RUN, f"--config.cohort.embeddings={path}")
    done = main(*options, f"--workdir={tmp_path / 'w'}")
    assert done.returncode == code and said in done.stderr, done.stderr
    assert not (tmp_path / "w" / "config.json").exists()


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
