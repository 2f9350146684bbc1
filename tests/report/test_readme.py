"""README.md shows of the demo what a terminal of 80 columns shows."""

import re
from pathlib import Path

from dynjax.report.results_table import print_results
from tests.report.fabricated import results

SHOWN = re.compile(r"^    100 SYNTHETIC.*?(?=^`runs/demo)", re.M | re.S)
ROW = re.compile(r"^ ([A-Z].*?)  +([\d.]+)   ([\d.]+) to ([\d.]+)$", re.M)
NAMES = {"Accuracy": "accuracy", "ROC AUC": "roc_auc", "Calibration slope (1 is best)": "calibration_slope"}


def test_readme_shows_what_is_printed(capsys):
    text = SHOWN.search((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8"))[0]
    lines = [line for line in text.splitlines() if line.strip(" .─")]
    rows = ROW.findall("\n".join(line[4:] for line in lines))
    metrics = {
        NAMES[name]: {"value": float(value), "ci95": [float(low), float(high)]} for name, value, low, high in rows
    }
    folds = [fold | {"fold": number} for number in range(5) for fold in results()["folds"][:1]]
    print_results(results(n_subjects=100, folds=folds, metrics=results()["metrics"] | metrics))
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(metrics) == 3 and len(lines) == 5 and [line for line in lines if line.split() not in printed] == []
