"""Rows of a scan table that cannot be used: every verb tells them or leaves them out if told to, and none uses them."""

import csv
import json
import shutil

import pytest
from ml_collections import ConfigDict

from configs.base import experiment
from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from dynjax.evaluation.predictions import Prediction
from dynjax.run import settings
from dynjax.run.checking import check_first, inspect_anew
from dynjax.run.data import find_cohort, find_folds, keep_folds
from dynjax.run.refused import keep_refused, read_refused, without, without_refused
from dynjax.run.workdir import Workdir
from dynjax.verbs import audit, check, evaluate, prepare, report

BAD = {  # a row of the table after the good ones, and what is said of it
    ("lost", "bl", "AD", "lost.nii.gz", ""): "lost.nii.gz: refused: no such file; correct its path",
    ("undated", "bl", "CN", "00.nii.gz", "13/13/13"): "line 15: refused: acquired '13/13/13'",
    ("", "bl", "AD", "01.nii.gz", ""): "line 16: refused: subject is empty",
    ("nolabel", "bl", "", "02.nii.gz", ""): "line 17: refused: label is empty",
    ("folder", "bl", "AD", ".", ""): "refused: it is a folder, not a regular file",
}


@pytest.fixture
def table(tmp_path):
    """12 phantom scans beside a table that also lists BAD; the table's path."""
    folder = tmp_path / "scans"
    folder.mkdir()
    scans = load_cohort(phantom_cohort(12)).scans
    rows = []
    for number, scan in enumerate(scans):
        shutil.copyfile(scan.path, folder / f"{number:02d}.nii.gz")
        rows.append([scan.subject, "bl", scan.label, f"{number:02d}.nii.gz", ""])
    with open(folder / "scans.csv", "w", newline="") as file:
        csv.writer(file).writerows([["subject", "session", "label", "path", "acquired"], *rows, *BAD])
    return folder / "scans.csv"


@pytest.fixture
def config(table):
    config = ConfigDict(experiment({"model.name": "alexnet"}, "", 1))
    changes = {"cohort.table": str(table), "train.folds": 2, "volume.grid": (32, 32, 32), "volume.spacing": 6.9}
    config.update_from_flattened_dict(changes)
    return settings.resolve(config)


def begun(config, workdir):
    """Does what `train --allow-refused` does before it trains; returns the scans that it uses."""
    kept, refused = check_first(config, workdir, find_cohort(config), allow_refused=True)
    folds = find_folds(config, workdir, kept)
    workdir.claim(config)
    keep_refused(workdir, refused)
    keep_folds(workdir, kept, folds)
    return kept


def test_training_names_every_row_or_goes_on_without_them(config, tmp_path, capsys):
    workdir, cohort = Workdir(tmp_path / "w"), find_cohort(config)
    assert len(cohort.scans) == 12 and len(cohort.refused) == len(BAD)
    with pytest.raises(InputError, match=r"^5 of 17 scans cannot be used; .*--allow-refused") as error:
        check_first(config, workdir, cohort, allow_refused=False)
    assert all(said in str(error.value) for said in BAD.values()) and not workdir.refused.exists()

    kept = begun(config, workdir)
    said = capsys.readouterr().out
    assert "going on without 5 of 17 scans" in said and all(each in said for each in BAD.values())
    assert kept.scans == cohort.scans and not kept.refused
    counts = {"refused: missing": 1, "refused: bad row": 3, "refused: folder": 1}
    assert kept.excluded == {"later visit of a subject": 0} | counts
    assert set(read_refused(workdir)) == {
        *(("lost", "bl"), ("undated", "bl"), ("(line 16)", "bl"), ("nolabel", "bl"), ("folder", "bl")),
    }
    assert begun(config, workdir) == without_refused(workdir, find_cohort(config)) == kept, "whoever reads it later"


def test_rows_that_are_mended_or_break_later_are_told(config, table, tmp_path):
    workdir = Workdir(tmp_path / "w")
    begun(config, workdir)
    text = table.read_text()
    table.write_text(text.replace("nolabel,bl,,02.nii.gz", "nolabel,bl,MCI,02.nii.gz"))
    with pytest.raises(InputError, match="refused then and good now: subject nolabel"):
        begun(config, workdir)
    table.write_text(text.replace("05.nii.gz", "gone.nii.gz"))
    with pytest.raises(InputError, match=r"refused now: subject [^\n]*: missing"):
        begun(config, workdir)
    with pytest.raises(
        InputError, match=r"can no longer be used; put them right:\n[^\n]*gone\.nii\.gz: refused: no such"
    ):
        without_refused(workdir, find_cohort(config))


def test_check_gives_each_row_its_verdict(config, tmp_path, capsys):
    with pytest.raises(InputError, match="5 of 17 scans are refused"):
        check.check(config, tmp_path / "v.json")
    said = " ".join(capsys.readouterr().out.split())
    assert "12 ok, 0 warning, 5 refused" in said and "scans.csv, line 17" in said and "label is empty" in said
    answers = json.loads((tmp_path / "v.json").read_text())
    assert [answer["verdict"] for answer in answers] == ["ok"] * 12 + ["refused"] * 5
    cohort = find_cohort(config)
    assert {str(path) for path in list(inspect_anew(cohort, settings.projection_of(config)))[12:]} == {
        row.where for row in cohort.refused
    }


def test_audit_refuses_and_audits_the_others_if_told_to(config, tmp_path, capsys):
    with pytest.raises(InputError, match=r"(?s)5 scans cannot be used.*label is empty"):
        audit.audit(config)
    audit.audit(config, allow_refused=True)
    assert "of 12 scans in 2 folds" in capsys.readouterr().out
    begun(config, Workdir(tmp_path / "w"))
    audit.audit(config, Workdir(tmp_path / "w"))
    assert "audited without the 5 scans" in capsys.readouterr().out


def test_evaluate_reads_the_scans_of_the_run(config, tmp_path):
    begun(config, Workdir(tmp_path / "w"))
    with pytest.raises(InputError, match="no fold is trained to the end"):  # not for its rows
        evaluate.evaluate(Workdir(tmp_path / "w"))


def test_prepare_prepares_the_others_and_names_the_rows(config, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_check_installed", lambda: None)
    monkeypatch.setattr(prepare, "version", lambda name: "0")
    monkeypatch.setattr(prepare, "_prepare_all", lambda folder, task: [InputError("x")] * len(task.scans))
    with pytest.raises(InputError, match="17 of 17 scans are refused") as error:
        prepare.prepare(config, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "prepare.json").read_text())
    assert len(written["refused"]) == 17
    assert all(any(said in text for text in written["refused"]) and said in str(error.value) for said in BAD.values())


def test_report_finds_the_scans_that_were_used(config, tmp_path):
    used = begun(config, Workdir(tmp_path / "w")).scans
    rows = [Prediction(scan.subject, scan.session, 0, scan.label, 0.5) for scan in used]
    assert report._find_scans(config, rows) == {scan.subject: scan for scan in used}


def test_without_counts_rows_and_scans_alike(config):
    cohort = find_cohort(config)
    scan, row = cohort.scans[0], cohort.refused[0]
    kept = without(cohort, {(scan.subject, scan.session): "truncated", row.ids: "missing", ("no", "one"): "x"})
    assert kept.scans == cohort.scans[1:] and kept.refused == cohort.refused[1:]
    assert {name: n for name, n in kept.excluded.items() if n} == {"refused: truncated": 1, "refused: missing": 1}
