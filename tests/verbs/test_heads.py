"""Frozen trunks and heads that are pooled, joint or solved, by verbs: each cell runs, or is refused in words."""

import json
import shutil

import nibabel
import numpy as np
import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.run.workdir import Workdir
from tests.command import main
from tests.datasets import write_tsv
from tests.verbs.conftest import SMALL, SOLVED

VIEWS = (
    *(*SMALL, "--config.projection.name=mean+dynamic"),
    *("--config.train.epochs=2", "--config.train.batch_size=4", "--config.train.folds=2"),
)
TRAINED = ("--config=configs/dyn_mobilenet_v2.py", *VIEWS)
WHOLE = ("--config=configs/dyn_alexnet.py", *VIEWS, "--config.model.pretrained=none")
HEADS = {
    "paper": (),
    "released": ("--config.model.head=released",),
    "pooled": ("--config.model.head=pooled", "--config.model.attention=none"),
    "joint": ("--config.model.head=joint", "--config.projection.slabs=1"),
}


def scans():
    return load_cohort(phantom_cohort(12, 0, False, ("CN", "AD")), ("CN", "AD"), "first", "", "").scans


@pytest.fixture
def copied(solved, tmp_path):
    return shutil.copytree(solved, tmp_path / "copied")


def results_of(workdir):
    return json.loads((workdir / "results.json").read_text())


def flip(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


def test_results_say_what_was_solved(solved):
    results = results_of(solved)
    assert results["model"] == {
        "name": "mobilenet_v2",
        "parameters": 6 * 1280 + 1,
        "total_parameters": 6 * 1280 + 1 + 2_223_872,
        "solved": True,
    }
    assert [fold["penalty"] for fold in results["folds"]] == [3.0] * 3
    assert "solved in" in (solved.parent / "stdout.txt").read_text()
    weights = results["weights"]
    assert weights["pretrained"] and len(weights["trunk"]) == 64 and not (solved / "events.jsonl").exists()


def test_again_there_is_nothing_to_do(solved):
    done = main(*SOLVED, f"--workdir={solved}")
    assert done.returncode == 0 and "nothing to do" in done.stdout


def test_stopped_and_by_single_folds_it_is_the_same(solved, tmp_path):
    first = main(*SOLVED, "--max-hours=0", f"--workdir={tmp_path / 'w'}")
    assert first.returncode == 75 and "stopped after 0 of 3 folds; the same command continues" in first.stderr
    one = main(*SOLVED, "--config.train.only_folds=1", f"--workdir={tmp_path / 'w'}")
    assert one.returncode == 0 and "trained fold 1; folds 0, 2 not yet" in one.stdout
    assert main("evaluate", f"--workdir={tmp_path / 'w'}", "--finished-folds").returncode == 0
    assert main(*SOLVED, f"--workdir={tmp_path / 'w'}").returncode == 0
    for name in ("predictions.csv", "folds.csv", "trunk.npz"):
        assert (tmp_path / "w" / name).read_bytes() == (solved / name).read_bytes()


def test_predict_needs_the_run_alone(solved, tmp_path):
    """Neither the store nor the weights that it was made from."""
    done = main("predict", f"--workdir={solved}", str(scans()[0].path), f"--out={tmp_path / 'p.csv'}", cache=tmp_path)
    assert done.returncode == 0 and "2 of 3 networks were trained on this scan" in done.stdout
    line = next(row for row in (solved / "predictions.csv").read_text().splitlines() if scans()[0].subject in row)
    fold, probability = int(line.split(",")[2]), float(line.split(",")[4])
    assert 0 < probability < 1 and fold in (0, 1, 2)


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_trunk_that_is_damaged_or_gone_is_said(verb, copied):
    more = [str(scans()[0].path)] if verb == "predict" else []
    flip(copied / "trunk.npz")
    done = main(verb, f"--workdir={copied}", *more)
    assert done.returncode == 3 and "trunk.npz" in done.stderr
    (copied / "trunk.npz").unlink()
    done = main(verb, f"--workdir={copied}", *more)
    assert done.returncode == 3 and "trunk.npz: no such file, and the run's networks need it" in done.stderr


def test_a_flipped_bit_of_a_solution_is_noticed(copied):
    (newest,) = (copied / "checkpoints" / "fold_1").glob("epoch_0001")
    flip(max(newest.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0))
    done = main("evaluate", f"--workdir={copied}")
    assert done.returncode == 3 and "damaged" in done.stderr


@pytest.mark.slow  # every other verb, half a minute together
def test_the_other_verbs_know_it(solved, copied, tmp_path):
    evaluated = main("evaluate", f"--workdir={copied}")
    assert (
        evaluated.returncode == 0
        and (copied / "predictions.csv").read_bytes() == (solved / "predictions.csv").read_bytes()
    )
    reported = main("report", f"--workdir={copied}")
    page = (copied / "report.html").read_text()
    assert reported.returncode == 0 and "solved in one step" in page and "Not converged" not in page
    assert "penalty" in page and "7,681 of 2,231,553 parameters solved" in page
    compared = main("compare", copied, solved)
    assert compared.returncode == 0 and "frozen trunk, linear" in compared.stdout
    assert "solved" in compared.stdout and "NOT CONVERGED" not in compared.stdout
    audited = main("audit", *SOLVED, "--shuffle", f"--workdir={tmp_path / 'shuffled'}")
    assert audited.returncode in (0, 3) and "on shuffled labels the AUC is" in audited.stdout + audited.stderr
    repeated = main(*SOLVED, "--config.train.repeats=2", f"--workdir={tmp_path / 'repeated'}")
    assert repeated.returncode == 0 and results_of(tmp_path / "repeated")["repeats"] == 2
    predicted = main("predict", f"--workdir={tmp_path / 'repeated'}", str(scans()[0].path))
    assert predicted.returncode == 0 and "over 6 networks" in predicted.stdout


@pytest.mark.slow
def test_on_another_cohort(solved, tmp_path):
    rows = []
    for number, scan in enumerate(scans()):
        image = nibabel.load(scan.path)
        noise = np.random.default_rng(number).normal(0, 5, image.shape) * (np.asarray(image.dataobj) > 0)
        nibabel.save(
            nibabel.Nifti1Image(np.asarray(image.dataobj) + noise, image.affine), tmp_path / f"{number}.nii.gz"
        )
        rows.append([f"other{number}", "1", scan.label, f"{number}.nii.gz"])
    table = write_tsv(tmp_path / "scans.csv", ["subject", "session", "label", "path"], rows)
    done = main("evaluate", f"--workdir={solved}", f"--table={table}", f"--out={tmp_path / 'external'}")
    assert done.returncode == 0, done.stderr
    assert results_of(tmp_path / "external")["external"]["networks"] == 3
    reported = main("report", f"--workdir={tmp_path / 'external'}")
    assert reported.returncode == 0, reported.stderr


@pytest.mark.slow  # each compiles a network
@pytest.mark.parametrize(
    ("head", "trainable"), [*((head, "head") for head in HEADS), ("pooled", "all"), ("joint", "all")]
)
def test_each_head_is_trained_on_several_views(head, trainable, tmp_path, imagenet_mobilenet):
    """Heads are trained alone on MobileNetV2's ImageNet weights, whole networks as AlexNets, which compile sooner."""
    command = (*(TRAINED if trainable == "head" else WHOLE), f"--config.model.trainable={trainable}", *HEADS[head])
    done = main(*command, f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 0, done.stderr
    results = results_of(tmp_path / "w")
    frozen = results["model"]["total_parameters"] - results["model"]["parameters"]
    assert frozen == (2_223_872 if trainable == "head" else 0) and not results["model"]["solved"]
    assert Workdir(tmp_path / "w").trunk.exists() == (trainable == "head")
    done = main("predict", f"--workdir={tmp_path / 'w'}", str(scans()[0].path))
    assert done.returncode == 0 and "over 2 networks" in done.stdout, done.stderr
    done = main("report", f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_frozen_head_that_is_stopped_goes_on_to_the_byte(tmp_path, imagenet_mobilenet):
    command = (*TRAINED, "--config.model.trainable=head", "--config.train.epochs=4")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(*command, f"--workdir={whole}").returncode == 0
    assert main(*command, f"--workdir={parts}", "--max-hours=0").returncode == 75
    assert main(*command, f"--workdir={parts}").returncode == 0
    assert (whole / "predictions.csv").read_bytes() == (parts / "predictions.csv").read_bytes()


REFUSED = {
    "without weights": (("--config.model.pretrained=none",), "a frozen trunk of random numbers knows nothing"),
    "with epochs": (("--config.train.epochs=5",), "means nothing to a solved head; leave it at 1"),
    "of too many slabs": (("--config.projection.slabs=17",), "thinner than 2 slices; at most 16 along axial"),
    "that selects": (("--config.evaluate.select=validation",), "a solved head has no epochs to select from"),
    "of a 3D network": (
        ("--config.model.name=vgg3d", "--config.projection.name=none", "--config.projection.slabs=1"),
        "for networks of 2D images",
    ),
    "of an unknown plane": (("--config.projection.axis=axial+oblique",), "projection.axis='axial+oblique'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case, tmp_path):
    changes, said = REFUSED[case]
    done = main(*SOLVED, *changes, f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "w").exists()
