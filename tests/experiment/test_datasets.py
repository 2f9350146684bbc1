"""The same scans as an ADNI download, a BIDS dataset, a CAPS folder and a plain CSV: the same answers."""

import csv

import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from tests.command import TINY, main
from tests.datasets import as_bids, as_caps, as_csv


def answers(text):
    """By position: subjects and sessions have other names in each, and the same order."""
    return [(row["fold"], row["label"], row["probability"]) for row in csv.DictReader(text.splitlines())]


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
