"""`report`: the page, its parts and the card of a run that was really trained."""

import json
import shutil

import numpy as np
import pytest
from nibabel import Nifti1Image

from dynjax.errors import InputError
from dynjax.evaluation.predictions import read_predictions, write_predictions
from dynjax.projection.dynamic import AXES
from dynjax.projection.project import PROJECTIONS
from dynjax.run.workdir import Workdir
from dynjax.verbs.report import KINDS, VIEWS, report
from dynjax.volumes.grid import Grid
from tests.command import anew, main
from tests.report.fabricated import about_explanation


@pytest.fixture
def workdir(run, tmp_path):
    """A finished run to write into; its checkpoints are not needed."""
    shutil.copytree(run[0], tmp_path / "w", ignore=shutil.ignore_patterns("checkpoints"))
    return Workdir(tmp_path / "w")


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_page_in_a_new_process(workdir):
    done = anew("report", f"--workdir={workdir}")
    assert (done.returncode, done.stderr) == (0, "")
    page = (workdir.path / "report.html").read_text()
    subjects = {row.subject for row in read_predictions(workdir.predictions)}
    assert "SYNTHETIC" in page and page.count("<svg") == 11 and page.count("<image") >= 12
    assert not any(subject in page for subject in subjects)
    assert {"roc.svg", "examples_0.svg", "loss.svg", "metrics.csv"} <= {path.name for path in workdir.report.iterdir()}
    results, card = (json.loads((workdir.path / name).read_text()) for name in ("results.json", "card.json"))
    assert card["evaluation"]["metrics"] == results["metrics"] and card["name"] == "Dyn + AlexNet + Att"
    assert (
        f"{results['metrics']['roc_auc']['value']:.3f}" in page
        and "SYNTHETIC" in (workdir.path / "card.md").read_text()
    )


def test_other_runs_beside_it(run, workdir, capsys):
    """Baselines that lie where `make baselines` puts them, if they are of the same folds; or whatever is named."""
    baseline, elsewhere = (workdir.path.parent / name for name in ("baselines/same", "baselines/other"))
    shutil.copytree(workdir.path, baseline)
    shutil.copytree(workdir.path, elsewhere)
    config = json.loads((elsewhere / "config.json").read_text())
    change(elsewhere / "config.json", cohort=config["cohort"] | {"phantom": config["cohort"]["phantom"] | {"seed": 7}})
    report(workdir)
    page = (workdir.path / "report.html").read_text()
    lines = (workdir.report / "beside.csv").read_text().splitlines()
    assert "Comparison with other runs" in page and len(lines) == 3 and (workdir.report / "beside_paired.csv").exists()
    assert str(baseline) not in page and "Not paired" not in page
    report(workdir, beside=[str(elsewhere)])
    assert "Not paired: Dyn + AlexNet + Att: another cohort" in (workdir.path / "report.html").read_text()
    assert not (workdir.report / "beside_paired.csv").exists()
    shutil.copytree(baseline, baseline.with_name("damaged"))
    (baseline.with_name("damaged") / "results.json").write_text("{}")
    report(workdir)
    assert "not on the page: 1 of 1 runs cannot be compared" in capsys.readouterr().out
    assert "Comparison with other runs" in (workdir.path / "report.html").read_text()
    (baseline / "results.json").write_text("{}")
    with pytest.raises(InputError, match="1 of 2 runs cannot be compared"):
        report(workdir, beside=[str(baseline)])


def test_ids_where_they_are_asked_for(workdir):
    report(workdir, show_ids=True)
    subjects = [row.subject for row in read_predictions(workdir.predictions)]
    page, card = (workdir.path / "report.html").read_text(), (workdir.path / "card.md").read_text()
    assert any(subject in page for subject in subjects) and not any(subject in card for subject in subjects)


def test_scans_that_are_gone_leave_no_images_and_no_ids(workdir, tmp_path, capsys):
    config = json.loads(workdir.config.read_text())
    (tmp_path / "scans.csv").write_text("subject,session,label,path\n" + "zz,1,CN,a.nii.gz\nzy,1,AD,b.nii.gz\n")
    change(workdir.config, cohort=config["cohort"] | {"table": str(tmp_path / "scans.csv")})
    report(workdir)
    page = (workdir.path / "report.html").read_text()
    assert "no images: the scans can no longer be read" in capsys.readouterr().out
    assert "no image is shown" in page and "<image" not in page and str(tmp_path) not in page


def test_scans_that_have_changed_since_leave_no_images(run, workdir, tmp_path, capsys):
    """Scans of the same names with other content, which only the checkpoints can tell."""
    lines = ["subject,session,label,path"]
    for number, row in enumerate(read_predictions(workdir.predictions)):
        noise = np.random.default_rng(number).normal(100, 10, (32, 32, 32)).astype(np.float32)
        Nifti1Image(noise, Grid((32, 32, 32), 6.9).affine).to_filename(tmp_path / f"{number}.nii.gz")
        lines.append(f"{row.subject},{row.session},{row.label},{number}.nii.gz")
    (tmp_path / "scans.csv").write_text("\n".join(lines))
    change(workdir.config, cohort=json.loads(workdir.config.read_text())["cohort"] | {"table": f"{tmp_path}/scans.csv"})
    report(workdir)
    assert "no images" not in capsys.readouterr().out and "<image" in (workdir.path / "report.html").read_text()
    shutil.copytree(run[0] / "checkpoints", workdir.path / "checkpoints")
    report(workdir)
    assert "nii.gz: has changed since the run" in capsys.readouterr().out
    assert "<image" not in (workdir.path / "report.html").read_text()


def test_some_folds_alone(workdir):
    kept = [row for row in read_predictions(workdir.predictions) if row.fold != 1]
    write_predictions(workdir.predictions, kept)
    results = json.loads(workdir.results.read_text())
    with pytest.raises(InputError, match="does not match results"):
        report(workdir)
    folds = [fold for fold in results["folds"] if fold["fold"] != 1]
    change(workdir.results, folds=folds, folds_missing=[1], n_subjects=len(kept))
    report(workdir)
    page = (workdir.path / "report.html").read_text()
    assert "Incomplete: fold 1 not evaluated yet." in page and '<th scope="col">fold 1' not in page
    assert "Not evaluated yet: fold 1" in page and ">fold 2<" in page


def test_whole_volumes_are_shown_by_their_middle_slice(workdir):
    config = json.loads(workdir.config.read_text())
    model = config["model"] | {"name": "brain_volume", "pretrained": "none"}
    change(workdir.config, model=model, projection=config["projection"] | {"name": "none"})
    folds = json.loads(workdir.results.read_text())["folds"]
    change(workdir.results, folds=[fold | {"epoch": None} for fold in folds])  # as a baseline's have none
    report(workdir)
    page = (workdir.path / "report.html").read_text()
    assert "The middle slice of each scan" in page and page.count("<image") >= 12
    assert "<h1>Telling AD from CN" in page and "Brain volume" in page


def test_every_projection_has_words():
    assert set(KINDS) == set(PROJECTIONS) and set(VIEWS) == set(AXES)


def test_a_run_that_is_not_finished_says_what_to_do(workdir):
    workdir.results.unlink()
    done = main("report", f"--workdir={workdir}")
    assert done.returncode == 3 and "--finished-folds" in done.stderr and "not finished" in done.stderr
    workdir.results.write_text("{}")
    with pytest.raises(InputError, match="run evaluate on this workdir"):
        report(workdir)
    assert not (workdir.path / "report.html").exists()


def test_maps_that_explain_left_are_on_the_page(workdir):
    report(workdir)
    assert "Explanation" not in (workdir.path / "report.html").read_text()
    subjects = sorted({row.subject for row in read_predictions(workdir.predictions)})
    about = about_explanation(subjects)
    workdir.explanation.mkdir()
    image = Nifti1Image(np.random.default_rng(0).random((8, 9, 7), np.float32), Grid((8, 9, 7), 9.0).affine)
    for group in about["groups"]:
        image.to_filename(workdir.explanation / group["map"])
        image.to_filename(workdir.explanation / group["volume"])
    for scan in about["scans"]:
        (workdir.explanation / scan["folder"]).mkdir()
        (workdir.explanation / scan["picture"]).write_bytes(b"\x89PNG")
    (workdir.explanation / "explanation.json").write_text(json.dumps(about))
    report(workdir)
    page = (workdir.path / "report.html").read_text()
    assert "Explanation" in page and not any(subject in page for subject in subjects)
    assert (workdir.report / "mean_maps.png").exists() and "data:image/png;base64,iVBOR" in page
    report(workdir, show_ids=True)
    assert f'href="explanation/{subjects[0]}/viewer.html"' in (workdir.path / "report.html").read_text()
    change(workdir.explanation / "explanation.json", schema=2)
    done = main("report", f"--workdir={workdir}")
    assert done.returncode == 3 and "run explain" in done.stderr and done.stderr.count("\n") == 1
