"""The same scans as an ADNI download, a BIDS dataset, a CAPS folder and a plain CSV: the same answers."""

import csv

import pytest

from configs.base import experiment
from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.run import settings
from dynjax.run.data import find_cohort
from tests.command import TINY, main
from tests.datasets import as_bids, as_caps, as_csv, write_tsv


def answers(text):
    """By position: subjects and sessions have other names in each, and the same order."""
    return [(row["fold"], row["label"], row["probability"]) for row in csv.DictReader(text.splitlines())]


@pytest.mark.parametrize("column", ["", "diagnosis"])
def test_the_config_names_the_column_of_labels(tmp_path, column):
    header = ["subject", "session", "label", "diagnosis", "path"]
    write_tsv(tmp_path / "scans.csv", header, [["a", "1", "CN", "AD", "a.nii"], ["b", "1", "AD", "CN", "b.nii"]])
    for name in ("a.nii", "b.nii"):
        (tmp_path / name).touch()
    changes = {"cohort.table": str(tmp_path / "scans.csv"), "cohort.label_column": column}
    assert find_cohort(settings.resolve(experiment(changes, "", 1))).targets == ([1, 0] if column else [0, 1])


@pytest.mark.parametrize(
    ("dress", "kind"),
    [
        (as_bids, "a BIDS dataset, labels from diagnosis"),
        pytest.param(as_caps, "a CAPS folder, labels from diagnosis", marks=pytest.mark.slow),
        pytest.param(as_csv, "a plain CSV", marks=pytest.mark.slow),
    ],
)
def test_predictions_are_those_of_the_adni_download(expected, tmp_path, dress, kind):
    (tmp_path / "data").mkdir()
    table = dress(load_cohort(phantom_cohort(12), visit="all").scans, tmp_path / "data")
    done = main(*TINY, f"--config.cohort.table={table}", f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 0 and f"({kind})" in done.stdout and "SYNTHETIC" in done.stdout
    assert answers((tmp_path / "w" / "predictions.csv").read_text()) == answers(expected.decode())
