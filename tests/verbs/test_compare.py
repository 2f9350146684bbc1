"""`compare`: rows of finished runs, on the terminal and in files."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from configs.base import VOLUMETRIC, experiment, paper, with_variant
from dynjax.errors import InputError
from dynjax.evaluation.metrics import average_precision_of_calls
from dynjax.evaluation.paired import ScoredRun, correct, pair
from dynjax.evaluation.predictions import by_subject, read_predictions, write_predictions
from dynjax.report.comparison import PAPER
from dynjax.run.compared import run_name
from dynjax.verbs.compare import compare
from tests.command import anew, main

WIDE = {"COLUMNS": "300"}  # where no column follows below


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
    results["metrics"]["recall"]["ci95"] = None
    (other / "results.json").write_text(json.dumps(results))
    return run[0], other


def test_a_row_a_run_beside_the_papers(runs):
    done = anew("compare", *runs, "--paper", environment=WIDE)
    assert (done.returncode, done.stderr) == (0, "")
    table = done.stdout.partition("Paired by subject")[0]
    lines = {line.split("  ")[0].strip(): line for line in table.splitlines()}
    assert "SYNTHETIC" in lines["Dyn + AlexNet + Att"] and "4 epochs" in lines["Dyn + AlexNet + Att"]
    assert "OPTIMISTIC" in lines["Dyn + VGG11 + Att"] and "OPTIMISTIC" not in lines["Dyn + AlexNet + Att"]
    accuracy = json.loads((runs[0] / "results.json").read_text())["metrics"]["accuracy"]
    low, high = accuracy["ci95"]
    assert f"{accuracy['value']:.2f} ({low:.2f} to {high:.2f})" in lines["Dyn + AlexNet + Att"]
    papers = [line.split() for line in done.stdout.splitlines() if line.lstrip().startswith("the paper")]
    assert papers == [["the", "paper", *(f"{v:.2f}" for v in PAPER[f"Dyn + {n} + Att"]), "ADNI"]
                      for n in ("AlexNet", "VGG11")]  # fmt: skip
    assert "the authors' released code computes the paper's AP so" in done.stdout
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
    assert tex.startswith(r"\begin{tabular}") and tex.count(r"\\") == 3 and "-- &" in tex and "nan" not in tex
    widths = {line.count("&") for line in tex.splitlines() if "&" in line}
    assert widths == {9}


def test_the_papers_average_precision_is_compared_with_that_of_hard_labels(runs, tmp_path, capsys):
    """It stands under the column of calls, and nothing of the paper's under that of probabilities."""
    labels, probabilities = by_subject(read_predictions(runs[0] / "predictions.csv"), "AD")[1:]
    expected = average_precision_score(labels, probabilities >= 0.5)
    for suffix in ("csv", "tex", "html"):
        compare([*map(str, runs)], with_paper=True, only_paired=False, out=tmp_path / f"rows.{suffix}")
    first = written(tmp_path / "rows.csv")[0]
    assert first["average_precision_of_calls"] == f"{expected:.4f}" and first["paper_average_precision"] == "0.8200"
    low, high = float(first["average_precision_of_calls_low"]), float(first["average_precision_of_calls_high"])
    assert low <= expected <= high and first["average_precision"] != first["average_precision_of_calls"]
    tex = (tmp_path / "rows.tex").read_text()
    assert "& AP & AP of calls &" in tex and "& 0.83 &  & 0.82 &" in tex and tex.count("&") % 10 == 0
    cells = re.findall(r"<td[^>]*><span>([^<]*)</span></td>", (tmp_path / "rows.html").read_text())
    assert ["", "0.82"] in [cells[at : at + 2] for at in range(len(cells))]
    table = capsys.readouterr().out
    assert "AP of calls" in table
    compare([*map(str, runs)], with_paper=False, only_paired=False, out=tmp_path / "rows.csv")
    assert "AP of calls" not in capsys.readouterr().out
    assert not {"paper_average_precision", "average_precision_of_calls"} & set(written(tmp_path / "rows.csv")[0])


def test_average_precision_of_calls_is_scikit_learns_of_hard_labels():
    rng = np.random.default_rng(0)
    for share in (0.0, 0.2, 0.7, 1.0):
        labels, calls = np.arange(40) % 2, rng.random(40) < share
        table = (int(((labels == a) & (calls == b)).sum()) for a, b in ((1, 1), (0, 1), (0, 0), (1, 0)))
        assert average_precision_of_calls(*table) == pytest.approx(average_precision_score(labels, calls))


def test_as_a_page(runs, tmp_path):
    (runs[1] / "predictions.csv").unlink()
    compare([*map(str, runs)], with_paper=True, only_paired=False, out=tmp_path / "rows.html")
    page = (tmp_path / "rows.html").read_text()
    assert "SYNTHETIC subjects, OPTIMISTIC selection. Each metric" in page and "  the paper, on ADNI</th>" in page
    assert "Not paired: Dyn + VGG11 + Att" in page and page.count("<svg") == 1
    assert "1: Dyn + AlexNet + Att" in page and "have no curve" in page


@pytest.fixture
def other(runs, tmp_path):
    """A third run on the folds of `runs`, with predictions of its own; a function that changes a key of its files."""
    folder = tmp_path / "other"
    shutil.copytree(runs[1], folder)
    predictions = read_predictions(folder / "predictions.csv")
    changed = [
        row._replace(probability=row.probability**2 if index % 3 else 0.6) for index, row in enumerate(predictions)
    ]
    write_predictions(folder / "predictions.csv", changed[::-1])

    def change(name, section, key, value):
        content = json.loads((folder / name).read_text())
        (content[section] if section else content)[key] = value
        (folder / name).write_text(json.dumps(content))

    return folder, change


def written(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_runs_on_the_same_folds_are_paired_by_subject(runs, other, tmp_path):
    """Against the first; the numbers are those of the tests, corrected for all of them."""
    done = main("compare", *runs, other[0], "--paired", f"--out={tmp_path / 'rows.csv'}", environment=WIDE)
    assert (done.returncode, done.stderr) == (0, "") and "corrected for all 4 tests here" in done.stdout
    first, same, third = written(tmp_path / "rows.csv")
    assert first["paired_with"] == first["delong_p"] == first["not_paired_because"] == ""
    assert (same["paired_with"], same["paired_folds"], same["paired_subjects"]) == (str(runs[0]), "0,1,2", "12")
    assert (same["accuracy_difference"], same["mcnemar_p"], same["delong_p_holm"]) == ("0", "1", "1")
    folders, half = (*runs, other[0]), dict.fromkeys(range(3), 0.5)
    answers = [ScoredRun(read_predictions(folder / "predictions.csv"), half) for folder in folders]
    expected = correct([pair(answers[0], each, "AD") for each in answers[1:]])[1]
    for prefix, test, p in (("accuracy", expected.accuracy, "mcnemar"), ("roc_auc", expected.roc_auc, "delong")):
        assert third[f"{prefix}_difference"] == f"{test.difference:.4g}" and test.difference != 0
        assert third[f"{prefix}_difference_low"] == f"{test.ci95[0]:.4g}"
        assert third[f"{p}_p"] == f"{test.p:.4g}" and third[f"{p}_p_holm"] == f"{test.p_holm:.4g}"
        assert f"{test.difference:+.2f} ({test.ci95[0]:+.2f} to {test.ci95[1]:+.2f})" in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.lstrip().startswith("Dyn +")]
    assert len(lines) == 5, "three runs, two of them paired"


def test_runs_of_which_some_folds_are_done_are_paired_on_the_folds_of_both(runs, other, tmp_path):
    predictions = read_predictions(other[0] / "predictions.csv")
    write_predictions(other[0] / "predictions.csv", [row for row in predictions if row.fold != 1])
    done = main("compare", runs[0], other[0], "--paired", f"--out={tmp_path / 'rows.csv'}")
    assert done.returncode == 0
    _, row = written(tmp_path / "rows.csv")
    assert (row["paired_folds"], row["paired_subjects"]) == ("0,2", "8")


@pytest.mark.parametrize(
    "changed, reason",
    [
        (("results.json", "provenance", "folds_sha256", "0"), "other folds of the same subjects"),
        (("results.json", None, "positive_class", "CN"), "another positive class"),
        (("config.json", "cohort", "phantom", {"n": 12, "seed": 3, "skull": False}), "another cohort"),
    ],
)
def test_what_cannot_be_paired_stands_in_the_table_and_says_why(runs, other, changed, reason, tmp_path, capsys):
    folder, change = other
    change(*changed)
    out = tmp_path / "rows.csv"
    compare([*map(str, runs), str(folder)], with_paper=False, only_paired=False, out=out)
    assert f"{folder}): {reason}" in capsys.readouterr().out
    _, paired, unpaired = written(out)
    assert (paired["delong_p"], paired["not_paired_because"]) == ("1", "")
    assert unpaired["delong_p"] == unpaired["paired_with"] == "" and unpaired["not_paired_because"] == reason
    out.unlink()
    with pytest.raises(InputError, match=reason):
        compare([*map(str, runs), str(folder)], with_paper=False, only_paired=True, out=out)
    assert "Paired by subject" in capsys.readouterr().out and len(written(out)) == 3


def test_paired_fails_where_a_run_cannot_be(runs, other):
    (other[0] / "predictions.csv").unlink()
    done = main("compare", runs[0], other[0], "--paired")
    assert done.returncode == 3 and "predictions.csv: no such file" in done.stderr and "AlexNet" in done.stdout
    assert main("compare", runs[0], "--paired").returncode == 2


def test_what_cannot_be_compared_is_listed(runs, tmp_path):
    (runs[1] / "results.json").write_text("{}")
    done = main("compare", runs[0], runs[1], tmp_path / "nowhere")
    assert done.returncode == 3 and "2 of 3 runs" in done.stderr
    assert "damaged or of an older version" in done.stderr and "nowhere: no such folder; name the folder" in done.stderr
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
