"""`audit`: planted leaks are found and named, a clean cohort passes, and confounding is a warning."""

import csv
import json
import re
import shutil

import nibabel
import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from configs.base import paper
from dynjax.cohort.folds import write_folds
from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.scan import shuffle_labels
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from dynjax.run.workdir import Workdir
from dynjax.verbs.audit import audit
from tests.command import PHANTOMS, TINY, anew, main

SETTINGS = ("--config=configs/dyn_vgg11.py", "--config.train.folds=3")


def write(folder, rows):
    """A plain table, and a workdir whose folds are the rows' last cells; returns a config of the table, and it."""
    header = ["subject", "session", "label", "path", "sex"]
    with open(folder / "scans.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *(row[:5] for row in rows)])
    cohort = load_cohort(folder / "scans.csv", visit="all")
    folds = {row[0]: row[5] for row in rows}
    write_folds(folder / "w" / "folds.csv", cohort, np.array([folds[scan.subject] for scan in cohort.scans]))
    config = paper()
    config.cohort.table, config.cohort.visit, config.train.folds = str(folder / "scans.csv"), "all", 3
    return FrozenConfigDict(config), Workdir(folder / "w")


@pytest.fixture
def rows():
    """Twelve phantom subjects in three folds; sex says nothing."""
    scans = load_cohort(phantom_cohort(12)).scans
    return [[s.subject, "1", s.label, s.path, "FM"[i // 2 % 2], i % 3] for i, s in enumerate(scans)]


def save_noisy(source, path):
    """As much noise again as the scan has itself, another data type and another scale."""
    image = nibabel.load(source)
    volume = image.get_fdata(dtype=np.float32)
    noisy = volume + (volume > 0) * np.random.default_rng(0).normal(0, 22, volume.shape)
    nibabel.save(nibabel.Nifti1Image((0.7 * noisy).astype(np.float32), image.affine), path)


def test_planted_leaks_are_each_found_and_named(rows, tmp_path):
    """A renamed copy that is stored otherwise, a noisy one, and a subject listed twice by ids spelt differently."""
    nibabel.save(nibabel.load(rows[0][3]), tmp_path / "renamed.nii")
    save_noisy(rows[3][3], tmp_path / "noisy.nii.gz")
    shutil.copyfile(rows[7][3], tmp_path / "inside.nii.gz")
    second = phantom_cohort(6, seed=2)
    planted = [
        ["renamed", "1", rows[0][2], tmp_path / "renamed.nii", "F", 1],
        ["noisy", "1", rows[3][2], tmp_path / "noisy.nii.gz", "M", 2],
        [rows[5][0].replace("_", "-").lower(), "2", rows[5][2], load_cohort(second).scans[0].path, "F", 0],
        ["inside", "1", rows[7][2], tmp_path / "inside.nii.gz", "F", rows[7][5]],
    ]
    config, workdir = write(tmp_path, rows + planted)
    table = (f"--config.cohort.table={config.cohort.table}", "--config.cohort.visit=all", f"--workdir={workdir}")
    done = main("audit", *SETTINGS, *table)
    assert done.returncode == 3
    findings = re.split(r"\n  (?=\S)", done.stderr.rstrip())[1:]
    expected = [
        ("one subject under several ids:", rows[5], planted[2]),
        ("identical volumes:", rows[0], planted[0]),
        ("near-identical volumes (correlation 0.9", rows[3], planted[1]),
    ]
    for text, (said, *both) in zip(findings, expected, strict=True):
        lines = [f"    subject {row[0]}, session {row[1]}, fold {row[5]}: {row[3]}" for row in both]
        assert text.startswith(said) and sorted(text.splitlines()[1:]) == sorted(lines)
    assert "warning: within one fold, so no leak, but counted twice: identical volumes" in done.stdout
    assert str(tmp_path / "inside.nii.gz") in done.stdout


def test_a_subject_in_two_folds_of_a_workdir(rows, tmp_path):
    config, workdir = write(tmp_path, rows)
    path = workdir.folds
    path.write_text(path.read_text() + f"{rows[0][0]},2,1\n")
    with pytest.raises(InputError, match=f"subject {rows[0][0]} is in two folds: 0, 1"):
        audit(config, workdir)
    path.unlink()
    with pytest.raises(InputError, match=r"folds\.csv: no such file"):
        audit(config, workdir)


def test_each_repeat_of_a_repeated_run_is_audited(rows, tmp_path):
    """A copy under another name lies in the fold of its original in one repeat, and in another one in the other."""
    shutil.copy(rows[0][3], tmp_path / "renamed.nii.gz")
    rows = [*rows, ["renamed", "1", rows[0][2], tmp_path / "renamed.nii.gz", "F", rows[0][5]]]
    config, workdir = write(tmp_path, rows)
    for repeat, fold in enumerate((rows[0][5], (rows[0][5] + 1) % 3)):
        *lines, _ = workdir.folds.read_text().splitlines()
        workdir.repeat(repeat).path.mkdir()
        workdir.repeat(repeat).folds.write_text("\n".join([*lines, f"renamed,1,{fold}"]) + "\n")
    with pytest.raises(InputError, match="too high") as error:
        audit(config, workdir)
    assert "\n  repeat_1 identical volumes:" in str(error.value) and "repeat_0" not in str(error.value)


def test_a_clean_cohort_passes_and_all_its_visits_do():
    done = anew("audit", *SETTINGS, *PHANTOMS, "--config.cohort.visit=all")
    assert (done.returncode, done.stderr) == (0, "") and "no leak: of 1" in done.stdout
    assert "label and age: permutation p = " in done.stdout and "warning" not in done.stdout


def test_confounding_is_a_warning(rows, tmp_path, capsys):
    rows = [[*row[:4], "F" if row[2] == "AD" else "M", row[5]] for row in rows]
    audit(*write(tmp_path, rows))
    said = "warning: the label is associated with sex (p below 0.05): a network may learn that"
    assert said in capsys.readouterr().out


def test_audit_needs_a_config():
    done = main("audit")
    assert done.returncode == 2 and "--config=NAME is needed" in done.stderr


def test_on_shuffled_labels_nothing_is_told(tmp_path):
    """A whole run on labels that are dealt out anew; and what is said where they are told all the same."""
    small = ("--config.volume.grid=32,32,32", "--config.volume.spacing=6.9", "--config.train.folds=3")
    arguments = ("--config=configs/baseline_brain_volume.py", *small, *PHANTOMS, f"--workdir={tmp_path / 'w'}")
    done = main("audit", "--shuffle", *arguments)
    assert done.returncode == 0 and "labels SHUFFLED between subjects" in done.stdout
    results = json.loads((tmp_path / "w" / "results.json").read_text())
    low, high = results["metrics"]["roc_auc"]["ci95"]
    assert (
        f"its 95 % interval {low:.3f} to {high:.3f}, which holds 0.5" in done.stdout and results["cohort"]["shuffled"]
    )
    results["metrics"]["roc_auc"] = {"value": 0.9, "ci95": [0.7, 0.99]}
    (tmp_path / "w" / "results.json").write_text(json.dumps(results))
    done = main("audit", "--shuffle", *arguments)
    assert done.returncode == 3 and "0.700 to 0.990, which lies above 0.5: test subjects leak" in done.stderr
    results["metrics"]["roc_auc"] = {"value": 0.3, "ci95": [0.2, 0.45]}
    (tmp_path / "w" / "results.json").write_text(json.dumps(results))
    done = main("audit", "--shuffle", *arguments)
    assert done.returncode == 0 and "0.200 to 0.450, which does not hold 0.5 but lies below it" in done.stdout
    done = main("compare", tmp_path / "w")
    assert "SHUFFLED labels" in done.stdout


def test_shuffled_labels_are_not_repeated(tmp_path):
    """Each repeat would have other labels; that is said before the cohort is read."""
    options = ("--config.train.repeats=2", f"--workdir={tmp_path / 'w'}")
    done = main("audit", "--shuffle", "--config=configs/baseline_brain_volume.py", *options)
    assert done.returncode == 2 and "each repeat would have other labels" in done.stderr and done.stdout == ""


def test_labels_are_shuffled_between_subjects():
    cohort = load_cohort(phantom_cohort(12), visit="all")
    shuffled = shuffle_labels(cohort, 0)
    assert shuffled.shuffled and [scan.path for scan in shuffled.scans] == [scan.path for scan in cohort.scans]
    ours, theirs = cohort.subjects, shuffled.subjects
    assert ours != theirs and sorted(ours.values()) == sorted(theirs.values())
    assert all(scan.label == theirs[scan.subject] for scan in shuffled.scans) and len(cohort.scans) > len(ours)
    assert shuffle_labels(cohort, 0) == shuffled != shuffle_labels(cohort, 1)


def test_training_on_shuffled_labels_stops_in_time(tmp_path):
    command = ("audit", "--shuffle", *TINY, *PHANTOMS, f"--workdir={tmp_path}")
    done = main(*command, "--max-hours=0")
    assert done.returncode == 75 and "0 hours are over: stopping as soon as all can be saved" in done.stderr
    assert (tmp_path / "config.json").exists() and not (tmp_path / "results.json").exists()
