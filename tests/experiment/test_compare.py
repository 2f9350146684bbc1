"""`compare`: rows of finished runs, on the terminal and in files."""

import csv
import json
import shutil

import pytest

from configs.base import VOLUMETRIC, experiment, paper, with_variant
from dynjax.evaluation.comparison import PAPER
from dynjax.experiment.compare import run_name
from tests.command import main


@pytest.fixture
def runs(run, tmp_path):
    """Two finished runs: a tiny one as it is, and the same as if it were the paper's main experiment, selected."""
    other = tmp_path / "main_experiment"
    shutil.copytree(run[0], other, ignore=shutil.ignore_patterns("checkpoints"))
    config = json.loads((other / "config.json").read_text())
    config["model"]["name"] = "vgg11"
    (other / "config.json").write_text(json.dumps(config))
    results = json.loads((other / "results.json").read_text())
    results["selection"], results["metrics"]["precision"] = "test", {"value": None, "ci95": None}
    (other / "results.json").write_text(json.dumps(results))
    return run[0], other


def test_a_row_a_run_beside_the_papers(runs):
    done = main("compare", *runs, "--paper")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split("  ")[0].strip(): line for line in done.stdout.splitlines()}
    assert "SYNTHETIC" in lines["Dyn + AlexNet + Att"] and "4 epochs" in lines["Dyn + AlexNet + Att"]
    assert "OPTIMISTIC" in lines["Dyn + VGG11 + Att"] and "OPTIMISTIC" not in lines["Dyn + AlexNet + Att"]
    accuracy = json.loads((runs[0] / "results.json").read_text())["metrics"]["accuracy"]
    low, high = accuracy["ci95"]
    assert f"{accuracy['value']:.2f} ({low:.2f}-{high:.2f})" in lines["Dyn + AlexNet + Att"]
    papers = [line.split() for line in done.stdout.splitlines() if "the paper" in line]
    assert papers == [["the", "paper", *(f"{v:.2f}" for v in PAPER[f"Dyn + {n} + Att"]), "ADNI"]
                      for n in ("AlexNet", "VGG11")]  # fmt: skip
    assert "the paper" not in main("compare", *runs).stdout


def test_as_csv_and_as_latex(runs, tmp_path):
    done = main("compare", *runs, "--paper", f"--out={tmp_path / 'rows.csv'}")
    assert done.returncode == 0
    with open(tmp_path / "rows.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    results = json.loads((runs[0] / "results.json").read_text())
    auc = results["metrics"]["roc_auc"]
    assert [rows[0]["roc_auc"], rows[0]["roc_auc_low"]] == [f"{auc['value']:.4f}", f"{auc['ci95'][0]:.4f}"]
    assert int(rows[0]["parameters"]) == results["model"]["parameters"] > 10**6
    assert rows[1]["precision"] == rows[1]["precision_low"] == "" and rows[1]["paper_roc_auc"] == "0.9500"
    assert main("compare", *runs, f"--out={tmp_path / 'rows.tex'}").returncode == 0
    tex = (tmp_path / "rows.tex").read_text()
    assert tex.startswith(r"\begin{tabular}") and tex.count(r"\\") == 3 and "-- &" in tex
    widths = {line.count("&") for line in tex.splitlines() if "&" in line}
    assert widths == {9}


def test_what_cannot_be_compared_is_listed(runs, tmp_path):
    (runs[1] / "results.json").write_text("{}")
    done = main("compare", runs[0], runs[1], tmp_path / "nowhere")
    assert done.returncode == 3 and "2 of 3 runs" in done.stderr
    assert "damaged or of an older version" in done.stderr and "nowhere/config.json: no such file" in done.stderr
    assert main("compare").returncode == 2
    assert main("compare", runs[0], "--out=rows.docx").returncode == 2


def test_names_are_those_of_the_papers_tables():
    assert run_name(paper()) == "Dyn + VGG11 + Att" in PAPER
    assert run_name(with_variant(paper(), "noatt,skull", 1)) == "Dyn + VGG11, with skull"
    assert run_name(with_variant(paper(), "skull", 1)) in PAPER
    assert run_name(experiment(VOLUMETRIC | {"model.name": "resnet3d"}, "", 1)) == "3D-ResNet" in PAPER
    assert run_name(experiment(VOLUMETRIC | {"model.name": "vgg3d"}, "skull", 1)) in PAPER
    config = with_variant(paper(), "released", 1)
    config.projection.axis = "coronal"
    assert run_name(config) == "Dyn + VGG11 + Att, coronal, released weights, byte scale, by rows, released layers"
    config = paper()
    config.projection.name, config.model.name = "max", "mobilenet_v2"
    assert run_name(config) == "Max. + MobileNetV2 + Att"
