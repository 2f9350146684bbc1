"""`explain`: what it writes for a run's subjects and for other scans, what it refuses, and in which words."""

import json
import resource
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.errors import UsageError
from dynjax.explanation.path import MOST
from dynjax.run.explaining import Chosen
from dynjax.verbs.explain import _check_folders
from tests.command import PHANTOMS, TINY, main
from tests.together import contents

FILES = {"attribution.nii.gz", "attribution_in_scan.nii.gz", "attribution.json", "attribution.png", "viewer.html"}
PEOPLE = ("001_S_0001", "002_S_0002")


def scans():
    return load_cohort(phantom_cohort(12, 0, False, ("CN", "AD")), ("CN", "AD"), "first", "", "").scans


def explained(run, out, *options):
    done = main("explain", f"--workdir={run}", f"--out={out}", *options)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def sidecars(out):
    return {path.parent.name: json.loads(path.read_text()) for path in out.glob("*/attribution.json")}


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run[0], tmp_path / "run")


def test_the_subjects_of_a_run(run, tmp_path):
    out = tmp_path / "o"
    said = explained(run[0], out, f"--subjects={','.join(PEOPLE)}")
    assert f"written: {out}, with 2 maps" in said and "report on this workdir" not in said
    rows = [row.split(",") for row in (run[0] / "predictions.csv").read_text().splitlines()]
    folders = {f"{row[0]}_{row[1]}": row for row in rows if row[0] in PEOPLE}
    assert sidecars(out).keys() == folders.keys()
    for name, about in sidecars(out).items():
        assert {path.name for path in (out / name).iterdir()} > FILES
        row, parts = folders[name], about["parts"]
        assert about["probability"] == pytest.approx(float(row[4]), abs=1e-6), "of the network that never saw it"
        assert [each["fold"] for each in about["networks"]] == [int(row[2])]
        sums = parts["reference"] + parts["scaling"] + parts["voxels"] + parts["error"] + parts["rounding"]
        assert sums == pytest.approx(about["logit"], abs=1e-4)
        assert parts["converged"] or parts["steps"] == MOST
        values = nibabel.load(out / name / "attribution.nii.gz").get_fdata()
        assert values.sum() == pytest.approx(parts["voxels"], rel=1e-3, abs=1e-4)
        assert about["synthetic"] and about["claim"] in (out / name / "viewer.html").read_text()
    index = json.loads((out / "explanation.json").read_text())
    assert [scan["subject"] for scan in index["scans"]] == list(PEOPLE)
    assert sum(group["n"] for group in index["groups"]) == 2
    folds = {row[2] for row in folders.values()}
    assert (index["agreement"] or {"networks": 1})["networks"] == len(folds)


@pytest.mark.slow
def test_a_map_that_is_there_is_not_made_again(run, tmp_path):
    out = tmp_path / "o"
    explained(run[0], out, f"--subjects={PEOPLE[0]}", "--method=gradcam")
    before = contents(out)
    (sidecar,) = out.glob("*/attribution.json")
    stamp = sidecar.stat().st_mtime_ns
    explained(run[0], out, f"--subjects={PEOPLE[0]}", "--method=gradcam")
    assert contents(out) == before and sidecar.stat().st_mtime_ns == stamp
    sidecar.unlink()  # as if the first had been killed before its end
    explained(run[0], out, f"--subjects={PEOPLE[0]}", "--method=gradcam")
    assert contents(out) == before
    about = json.loads(sidecar.read_text())
    sidecar.write_text(json.dumps(about | {"claim": "more than we say today"}))
    explained(run[0], out, f"--subjects={PEOPLE[0]}", "--method=gradcam")
    assert contents(out) == before, "with today's sentence"
    explained(run[0], out, f"--subjects={PEOPLE[0]}", "--method=attention")
    assert json.loads(sidecar.read_text())["method"] == "attention"


def test_a_scan_by_all_networks_in_its_own_space(run, tmp_path):
    """The file's axes are turned; the map in its space has its affine, and its strongest place where the other has."""
    image = nibabel.load(scans()[0].path)
    turned = image.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    path = tmp_path / "turned.nii.gz"
    nibabel.save(turned, path)
    out = tmp_path / "o"
    said = explained(run[0], out, str(path))
    predicted = main("predict", f"--workdir={run[0]}", str(path), f"--out={tmp_path / 'p.csv'}")
    assert predicted.returncode == 0
    about = sidecars(out)["turned"]
    answer = (tmp_path / "p.csv").read_text().splitlines()[1].split(",")
    assert about["probability"] == pytest.approx(float(answer[2]), abs=1e-5)
    assert about["probability_sd"] == pytest.approx(float(answer[3]), abs=1e-5)
    assert f"{float(answer[2]):.3f}" in said and len(about["networks"]) == 3 and -1 <= about["agreement"] <= 1
    grid = nibabel.load(out / "turned" / "attribution.nii.gz")
    own = nibabel.load(out / "turned" / "attribution_in_scan.nii.gz")
    np.testing.assert_array_equal(own.affine, turned.affine)
    assert own.shape == turned.shape
    places = [
        nibabel.affines.apply_affine(each.affine, np.unravel_index(np.abs(each.get_fdata()).argmax(), each.shape))
        for each in (grid, own)
    ]
    assert np.linalg.norm(places[0] - places[1]) < 1.8 * 6.9, "in mm, within a voxel of the grid"
    assert about["sum_in_scan"] == pytest.approx(about["sum"], rel=0.01, abs=0.01 * np.abs(grid.get_fdata()).sum())


def test_what_predict_refuses_gets_no_map(run, tmp_path):
    (tmp_path / "text.nii.gz").write_text("no scan")
    paths = [str(tmp_path / "text.nii.gz"), str(tmp_path / "gone.nii.gz")]
    done = main("explain", f"--workdir={run[0]}", *paths, f"--out={tmp_path / 'o'}")
    answered = main("predict", f"--workdir={run[0]}", *paths)
    assert done.returncode == answered.returncode == 3
    assert done.stderr == answered.stderr
    assert not list((tmp_path / "o").glob("*/attribution.nii.gz"))


def test_two_scans_do_not_share_a_folder():
    alike = [Chosen(Path(folder, "x.nii.gz"), (), subject) for folder, subject in (("a", "s 1"), ("b", "s-1"))]
    with pytest.raises(UsageError, match="have one name"):
        _check_folders(alike)
    _check_folders([alike[0], alike[1]._replace(session="2")])


REFUSED = {
    "an unknown method": (("--method=lime",), 2, "--method=lime: there is no such method; choose one of gradients, "),
    "a method for other heads": (("--method=cam",), 2, "--method=cam: not defined for this alexnet; choose one of"),
    "an unknown reference": (("--reference=mean",), 2, "--reference=mean: there is no such reference"),
    "a reference that means nothing": (("--method=gradcam", "--reference=negative"), 2, "leave it out"),
    "an unknown subject": (("--subjects=001_S_001",), 2, "is 001_S_0001 meant?"),
    "a permission for nobody": (("--allow-unlike",), 2, "--allow-unlike: is for scans"),
    "names without an atlas": (("--atlas-names=names.tsv",), 2, "give --atlas=FILE.nii.gz as well"),
    "an atlas for scans": (("--atlas=a.nii.gz", "scan.nii.gz"), 2, "leave them out, or the scans"),
    "an atlas that is not there": (("--atlas={tmp}/none.nii.gz",), 3, "none.nii.gz: no atlas can be read there"),
    "an atlas of text": (("--atlas={tmp}/text.nii.gz",), 3, "text.nii.gz: no atlas can be read there"),
    "an atlas of fractions": (("--atlas={tmp}/half.nii.gz",), 3, "half.nii.gz: is no atlas"),
    "an atlas of elsewhere": (("--atlas={tmp}/far.nii.gz",), 3, "far.nii.gz: has no region within the grid"),
    "names that are no table": (
        ("--atlas={tmp}/atlas.nii.gz", "--atlas-names={tmp}/text.nii.gz"),
        3,
        "it needs tabs and the columns index and name",
    ),
}


@pytest.fixture
def atlases(tmp_path):
    affine = nibabel.load(scans()[0].path).affine
    regions = np.zeros((110, 110, 110), np.float32)
    regions[:55], regions[55:] = 1, 2
    far = affine.copy()
    far[:3, 3] += 1000
    for name, values, where in (("atlas", regions, affine), ("half", regions / 2, affine), ("far", regions, far)):
        nibabel.save(nibabel.Nifti1Image(values, where), tmp_path / f"{name}.nii.gz")
    (tmp_path / "text.nii.gz").write_text("no table")
    (tmp_path / "names.tsv").write_text("index\tname\n1\tleft\n2\tright\n")
    return tmp_path


# Those of an atlas load networks first.
CASES = [pytest.param(case, marks=pytest.mark.slow if "atlas" in case else ()) for case in REFUSED]


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_is_one_line(case, run, atlases):
    options, code, said = REFUSED[case]
    options = [option.format(tmp=atlases) for option in options]
    done = main("explain", f"--workdir={run[0]}", f"--out={atlases / 'o'}", *options)
    assert done.returncode == code and said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert not (atlases / "o").exists() or not list((atlases / "o").iterdir())


@pytest.mark.slow
def test_regions_of_an_atlas(run, atlases):
    out = atlases / "o"
    options = (f"--atlas={atlases / 'atlas.nii.gz'}", f"--atlas-names={atlases / 'names.tsv'}")
    explained(run[0], out, "--method=gradcam", *options)
    lines = [line.split(",") for line in (out / "regions.csv").read_text().splitlines()]
    assert lines[0][:4] == ["region", "voxels", "class", "subjects"]
    assert [line[0] for line in lines[1:]] == ["left", "left", "right", "right"]
    maps = {name: nibabel.load(out / name / "attribution.nii.gz").get_fdata() for name in sidecars(out)}
    labels = {f"{scan.subject}_{scan.session}": scan.label for scan in scans()}
    ours = [values[:16].sum() for name, values in maps.items() if labels[name] == "AD"]
    theirs = float(lines[2][4])
    assert lines[2][2] == "AD" and int(lines[2][3]) == len(ours)
    assert theirs == pytest.approx(np.mean(ours), rel=1e-4)
    index = json.loads((out / "explanation.json").read_text())
    assert index["regions"]["atlas"] == "atlas.nii.gz" and len(index["regions"]["rows"]) == 4


@pytest.mark.slow
def test_the_page_shows_the_maps(copied):
    assert main("explain", f"--workdir={copied}", f"--subjects={','.join(PEOPLE)}").returncode == 0
    done = main("report", f"--workdir={copied}", "--show-ids")
    assert done.returncode == 0, done.stderr
    page = (copied / "report.html").read_text()
    assert "Explanation" in page and "explanation/001_S_0001" in page
    assert (copied / "report" / "mean_maps.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_run_without_class_means_makes_them_or_says_why_not(copied, tmp_path):
    kept = tmp_path / "kept"
    explained(copied, kept, f"--subjects={PEOPLE[0]}")
    shutil.rmtree(copied / "reference")
    anew = tmp_path / "anew"
    assert "the run keeps no class means" in explained(copied, anew, f"--subjects={PEOPLE[0]}")
    (one,), (other,) = sidecars(kept).values(), sidecars(anew).values()
    assert one["parts"] == other["parts"]
    config = json.loads((copied / "config.json").read_text())
    config["cohort"]["table"] = str(tmp_path / "nowhere.csv")
    (copied / "config.json").write_text(json.dumps(config))
    done = main("explain", f"--workdir={copied}", "--allow-unlike", str(scans()[0].path), f"--out={tmp_path / 'x'}")
    assert done.returncode == 3 and "keeps no class means to compare a scan with" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_disk_that_is_full_for_its_smallest_or_its_largest_file(run, tmp_path):
    command = ("explain", f"--workdir={run[0]}", f"--subjects={PEOPLE[0]}", "--method=gradcam")
    assert main(*command, f"--out={tmp_path / 'whole'}").returncode == 0
    (folder,) = (path.parent.name for path in (tmp_path / "whole").glob("*/attribution.json"))
    sizes = sorted(path.stat().st_size for path in (tmp_path / "whole" / folder).iterdir())
    for size in (sizes[0], sizes[-1]):
        out = tmp_path / f"o{size}"
        done = main(*command, f"--out={out}", limits={resource.RLIMIT_FSIZE: size - 1})
        assert done.returncode == 1 and "File too large; everything saved before is kept" in done.stderr
        (error,) = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]  # of the cache
        assert str(out) in error
        assert not list(out.rglob("*.partial*")) and not (out / "explanation.json").exists()
        for path in (out / folder).iterdir():
            assert path.stat().st_size < size, "a file is whole or not there"
        assert main(*command, f"--out={out}").returncode == 0
        assert {path.name for path in (out / folder).iterdir()} > FILES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "extent", "methods"),
    [("vgg3d", 100, ("gradcam", "cam")), ("resnet3d", 56, ("gradcam", "cam", "occlusion"))],
)
def test_a_3d_network(name, extent, methods, tmp_path):
    size = (f"--config.volume.grid={extent},{extent},{extent}", f"--config.volume.spacing={220 / extent}")
    short = ("--config.train.epochs=1", "--config.train.folds=2", "--config.train.only_folds=0")
    command = (f"--config=configs/{name}.py", *size, *short, *PHANTOMS, "--config.train.batch_size=2")
    workdir = tmp_path / "w"
    assert main(*command, f"--workdir={workdir}").returncode == 0
    folds = [row.split(",") for row in (workdir / "folds.csv").read_text().splitlines()[1:]]
    subject = next(row[0] for row in folds if row[2] == "0")
    for method in methods:
        explained(workdir, tmp_path / method, f"--subjects={subject}", f"--method={method}")
        (about,) = sidecars(tmp_path / method).values()
        assert "3D network" in about["claim"] and ("linear answer fitted" in about["claim"]) is (method == "cam")
    (about,) = sidecars(tmp_path / "cam").values()
    parts = about["parts"]
    assert parts["cells"] + parts["intercept"] == pytest.approx(parts["cut_network"], abs=1e-5)
    assert about["unit"] == "logit of the cut network per cell"
    map_, at_the_end = (
        nibabel.load(next((tmp_path / method).glob("*/attribution.nii.gz"))).get_fdata()
        for method in ("cam", "gradcam")
    )
    assert np.abs(map_).max() > 0 and np.corrcoef(map_.ravel(), at_the_end.ravel())[0, 1] < 0.99


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradients", "cam", "gradcam", "occlusion"])
def test_a_frozen_trunk_with_slabs(method, solved, tmp_path):
    out = tmp_path / "o"
    explained(solved, out, f"--subjects={PEOPLE[0]}", f"--method={method}")
    (about,) = sidecars(out).values()
    parts = about["parts"]
    if method == "cam":
        assert parts["cells"] + parts["intercept"] == pytest.approx(about["logit"], abs=1e-4)
        assert about["sum"] == pytest.approx(parts["cells"], rel=1e-3), "no cell is lost"
    if method == "gradients":
        assert parts["converged"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--config.projection.name=max",),
        ("--config.projection.axis=triplanar",),
        ("--config.projection.name=learned",),
        ("--config.projection.scale=byte", "--config.projection.weights=released"),
        ("--config.projection.name=svr",),
        ("--config.projection.name=mean+dynamic", "--config.model.head=joint"),
        ("--config.projection.axis=axial+coronal", "--config.projection.slabs=3", "--config.model.dtype=bfloat16"),
    ],
    ids=lambda options: options[0],
)
def test_every_kind_of_projection(options, tmp_path):
    command = (*TINY, *PHANTOMS, *options, "--config.train.epochs=1", "--config.train.folds=2")
    assert main(*command, f"--workdir={tmp_path / 'w'}").returncode == 0
    for method in ("gradients", "gradcam", "occlusion", "attention"):
        done = main("explain", f"--workdir={tmp_path / 'w'}", f"--subjects={PEOPLE[0]}", f"--method={method}")
        if method == "gradients" and "svr" in options[0]:
            assert done.returncode == 2 and "choose one of gradcam, occlusion, attention" in done.stderr
            continue
        assert done.returncode == 0, done.stderr
        (about,) = sidecars(tmp_path / "w" / "explanation").values()
        if method == "gradients":
            parts = about["parts"]
            sums = parts["reference"] + parts["scaling"] + parts["voxels"] + parts["error"] + parts["rounding"]
            assert sums == pytest.approx(about["logit"], abs=1e-3)
            assert parts["converged"] or parts["steps"] == MOST
            is_rounded = "byte" in options[0]
            assert abs(parts["rounding"]) > 1e-6 if is_rounded else abs(parts["rounding"]) < 1e-4


@pytest.mark.slow
def test_the_support_vector_machine(tmp_path):
    command = ("--config=configs/baseline_svm.py", "--config.volume.grid=32,32,32", "--config.volume.spacing=6.9")
    assert main(*command, *PHANTOMS, "--config.train.folds=3", f"--workdir={tmp_path / 'w'}").returncode == 0
    done = main("explain", f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "w" / "explanation" / "pattern.json").read_text())
    pattern = nibabel.load(tmp_path / "w" / "explanation" / "pattern.nii.gz").get_fdata()
    assert about["folds"] == 3 and about["agreement"] > 0.2 and np.abs(pattern).max() > 0
    done = main("explain", f"--workdir={tmp_path / 'w'}", "--method=gradcam")
    assert done.returncode == 2 and "has one map, the pattern of its weights" in done.stderr
    done = main("explain", f"--workdir={tmp_path / 'w'}", str(scans()[0].path))
    assert done.returncode == 2 and "only the run as a whole has a map" in done.stderr
