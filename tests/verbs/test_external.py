"""A finished run's networks on subjects that it never saw, and what is no such cohort."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ml_collections import FrozenConfigDict

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.run import settings
from dynjax.run.keys import default_config
from dynjax.run.workdir import Workdir
from dynjax.training import checkpoint
from tests.command import PHANTOMS, TINY, main

NO_FOLDER = "is not the folder of an external evaluation; choose another --out"


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write_table(path, lines):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "session", "label", "path", "sex", "scanner"])
        writer.writerows(lines)
    return path


@pytest.fixture(scope="module")
def others():
    """Lines of a scan table of six phantoms of another seed."""
    scans = load_cohort(phantom_cohort(12, 1, False, ("CN", "AD"))).scans[:6]
    return [[f"e{i}", "1", scan.label, scan.path, "FM"[i % 2], f"s{i // 5}"] for i, scan in enumerate(scans)]


@pytest.fixture(scope="module")
def external(run, others, tmp_path_factory):
    folder = tmp_path_factory.mktemp("external")
    table = write_table(folder / "other.csv", others)
    done = main("evaluate", f"--workdir={run[0]}", f"--table={table}", f"--out={folder / 'o'}", "--subgroups=scanner")
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "o", table, done.stdout


def test_the_networks_answer_together(run, external, others, tmp_path):
    folder, _, said = external
    title = " ".join(said.split())  # wrapped
    assert "EXTERNAL" in title and "3 networks trained on 12 SYNTHETIC subjects of collection.csv" in title
    answers = rows(folder / "predictions.csv")
    assert [(row["subject"], row["fold"]) for row in answers] == [(f"e{i}", "0") for i in range(6)]
    out = tmp_path / "p.csv"
    assert main("predict", f"--workdir={run[0]}", *(line[3] for line in others), f"--out={out}").returncode == 0
    predicted = [float(row["probability"]) for row in rows(out)]
    np.testing.assert_allclose([float(row["probability"]) for row in answers], predicted, atol=1e-6)
    results = json.loads((folder / "results.json").read_text())
    source = json.loads((run[0] / "results.json").read_text())["cohort"]["source"]
    trained = {"source": source, "synthetic": True, "shuffled": False, "n_subjects": 12, "folds": 3, "repeats": 1}
    likeness = {"verdicts": {"unknown": 6}}  # the run has too few scans to judge others
    assert results["external"] == {"run": str(run[0]), "networks": 3, "trained_on": trained, "likeness": likeness}
    assert results["n_subjects"] == 6 and results["metrics"]["roc_auc_within_folds"]["value"] is None
    right = [(float(row["probability"]) >= 0.5) == (row["label"] == "AD") for row in answers]
    assert results["metrics"]["accuracy"]["value"] == pytest.approx(np.mean(right))
    groups = {(group["column"], group["group"]): (group["n"], group["metrics"]) for group in results["subgroups"]}
    assert groups[("sex", "F")] == groups[("sex", "M")] == (3, None) and groups[("scanner", "s1")] == (1, None)
    assert ("age", "not known") not in groups, "a column of one group"


def test_its_page_and_card_say_what_it_was(external, tmp_path):
    workdir = shutil.copytree(external[0], tmp_path / "o")
    done = main("report", f"--workdir={workdir}")
    assert (done.returncode, done.stderr) == (0, "")
    for text in ((workdir / "report.html").read_text(), (workdir / "card.md").read_text()):
        assert "EXTERNAL: 3 networks of another run, trained on 12 SYNTHETIC subjects of collection.csv" in text
        assert "cross-validation" not in text and "fold 0" not in text and str(workdir) not in text


def test_it_stands_beside_other_runs_and_is_no_workdir_to_train_in(run, external):
    folder, table, _ = external
    done = main("compare", run[0], folder)
    assert done.returncode == 0 and "EXTERNAL" in done.stdout and "not paired" in done.stdout
    assert Workdir(folder).read_config().cohort.table == str(table)
    done = main(*TINY, *PHANTOMS, f"--workdir={folder}")
    assert done.returncode == 2 and "another run's scores on an external cohort" in done.stderr
    again = main("evaluate", f"--workdir={run[0]}", f"--table={table}", f"--out={folder}")
    assert again.returncode == 0


# What becomes of each key of the cohort: the run's value, the table's own by a flag, or the default.
CARRIED = {
    "table": "flag",
    "label_column": "flag",
    "description": "flag",
    "embeddings": "default",  # of which the networks know nothing
    "shuffle": "default",  # which labels were shuffled: the run's
    "labels": "run",  # what the classes are called
    "visit": "run",
    "phantom.n": "run",  # of no effect, for there is a table
    "phantom.seed": "run",
    "phantom.skull": "run",
}


@pytest.mark.parametrize("flags", [{}, {"label_column": "dx", "description": "*run-2*"}])
def test_of_the_cohorts_keys_those_that_describe_one_table_stay_with_it(flags):
    config = default_config()
    config.cohort.update(table="/ours.csv", labels=("a", "b"), visit="all", description="MT1*", shuffle=True)
    config.cohort.update(label_column="Group", phantom={"n": 7, "seed": 8, "skull": True})
    defaults, ours = (settings.flatten(each) for each in (default_config(), config))
    other = settings.flatten(settings.with_table(FrozenConfigDict(config), Path("/theirs.csv"), **flags))
    assert {key.removeprefix("cohort.") for key in ours if key.startswith("cohort.")} == set(CARRIED)
    for key in ours:
        kind = CARRIED.get(key.removeprefix("cohort."), "run")  # how scans are read, and all else, is the networks'
        given = (flags | {"table": "/theirs.csv"}).get(key.removeprefix("cohort."), defaults[key])
        assert other[key] == (ours[key] if kind == "run" else given), key
    assert ours["cohort.shuffle"] != defaults["cohort.shuffle"], "or nothing is tried"


def as_if_run_with(cohort, run, folder):
    """A copy of a run, which says that other keys of `cohort` are its config's."""
    workdir = Workdir(shutil.copytree(run, folder))
    config, results = (json.loads(path.read_text()) for path in (workdir.config, workdir.results))
    results["cohort"]["shuffled"] = cohort["shuffle"]
    workdir.config.write_text(json.dumps(config | {"cohort": config["cohort"] | cohort}))
    workdir.results.write_text(json.dumps(results))
    for fold in workdir.begun_folds():
        path = checkpoint.latest(workdir.fold(fold))
        about = checkpoint.read_about(path)
        about["config"]["cohort"] |= cohort
        path.with_suffix(".json").write_text(json.dumps({"sha256": checkpoint._digest(about), "about": about}))


def test_a_run_on_another_kind_of_table_is_evaluated_on_this_one(run, others, tmp_path):
    """The run's series, column and shuffled labels are those of its own cohort, an ADNI collection."""
    own = {"description": "*N3*", "label_column": "Group", "shuffle": True}
    as_if_run_with(own, run[0], tmp_path / "w")
    done = main("predict", f"--workdir={tmp_path / 'w'}", others[0][3])
    assert done.returncode == 0 and "12 subjects (CN and AD) with SHUFFLED labels of" in done.stdout
    table = write_table(tmp_path / "other.csv", others)
    table.write_text(table.read_text().replace("label", "dx"))
    arguments = ("evaluate", f"--workdir={tmp_path / 'w'}", f"--table={table}", f"--out={tmp_path / 'o'}")
    done = main(*arguments)
    assert done.returncode == 3 and "missing column: label" in done.stderr
    done = main(*arguments, "--label-column=dx")
    assert (done.returncode, done.stderr) == (0, "") and "labels SHUFFLED" not in done.stdout
    answers = {row["subject"]: row["label"] for row in rows(tmp_path / "o" / "predictions.csv")}
    assert answers == {line[0]: line[2] for line in others}
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    assert results["external"]["trained_on"]["shuffled"] and not results["cohort"]["shuffled"]
    assert main(*arguments, "--label-column=dx").returncode == 0, "the same again"


def test_subjects_and_volumes_of_the_run_are_refused(run, others, tmp_path):
    ours = rows(run[0] / "predictions.csv")[0]["subject"]
    arguments = ("evaluate", f"--workdir={run[0]}", f"--out={tmp_path / 'o'}")
    table = write_table(tmp_path / "a.csv", [[ours, *others[0][1:]], *others[1:]])
    done = main(*arguments, f"--table={table}")
    assert done.returncode == 3 and "1 subjects are also in" in done.stderr and ours in done.stderr
    first = load_cohort(phantom_cohort(12, 0, False, ("CN", "AD"))).scans[0]
    renamed = tmp_path / "renamed.nii.gz"
    shutil.copyfile(first.path, renamed)
    table = write_table(tmp_path / "b.csv", [*others, ["new", "1", first.label, renamed, "F", "s"]])
    done = main(*arguments, f"--table={table}")
    assert done.returncode == 3 and "1 volumes are also in" in done.stderr and str(renamed) in done.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--table=nowhere.csv"], 2, "--out=DIR"),
        (["--out=somewhere"], 2, "--table=OTHER.csv"),
        (["--label-column=dx"], 2, "--table=OTHER.csv"),
        (["--description=MT1*"], 2, "--table=OTHER.csv"),
        (["--table=nowhere.csv", "--out=o"], 3, "nowhere.csv: No such file"),
        (["--table=nowhere.csv", "--out=taken"], 2, NO_FOLDER),
        (["--table=nowhere.csv", "--out=taken/file"], 2, NO_FOLDER),
    ],
)
def test_what_is_missing_is_named(run, tmp_path, arguments, code, said):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    for name in ("o", "taken"):
        arguments = [argument.replace(f"={name}", f"={tmp_path / name}") for argument in arguments]
    done = main("evaluate", f"--workdir={run[0]}", *arguments)
    assert done.returncode == code and said.lower() in done.stderr.lower()
