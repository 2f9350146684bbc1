"""What the verbs print fits the terminal, and says first whether the subjects exist; a workdir that is not there."""

import shutil

import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from tests.command import PHANTOMS, TINY, main
from tests.datasets import as_csv
from tests.together import made_once

DEEP = "a_study_whose_name_is_long/derivatives/of_another_hospital/prepared"


@pytest.fixture(scope="session")
def world(run, tmp_path_factory):
    """A folder with a run in w and another in w2, and scans of others, one cut and one with a doubt, in DEEP."""

    def make(folder):
        for name in ("w", "w2"):
            shutil.copytree(run[0], folder / name)
        scans = folder / DEEP
        scans.mkdir(parents=True)
        cohort = load_cohort(phantom_cohort(12, 1)).scans
        copies = tuple(
            scan._replace(subject=f"x{number}", path=scans / f"sub-{number:02d}_T1w.nii.gz")
            for number, scan in enumerate(cohort)
        )
        for scan, copy in zip(cohort, copies):
            shutil.copyfile(scan.path, copy.path)
        as_csv(copies, scans)
        with open(copies[1].path, "ab") as file:
            file.write(b"end")
        (folder / "cut").mkdir()
        as_csv(copies, folder / "cut")
        cut = folder / "cut" / "sub-00_T1w.nii.gz"
        cut.write_bytes(copies[0].path.read_bytes()[:-100])
        table = folder / "cut" / "scans.csv"
        table.write_text(table.read_text().replace(str(copies[0].path), str(cut)))

    return made_once(tmp_path_factory, "terminal", make)


PHANTOM_RUN = (*TINY, *PHANTOMS)
WALK = {  # the arguments of each verb, its exit code, and what it must have printed
    "train": ((*PHANTOM_RUN, "--workdir={w}/w"), 0, "nothing to do"),
    "check": (("check", *PHANTOM_RUN), 0, "12 ok, 0 warning, 0 refused"),
    "check of others": (("check", *TINY, "--config.cohort.table={w}/cut"), 3, "refused  sub-00_T1w.nii.gz  in"),
    "audit": (("audit", *PHANTOM_RUN), 0, "no leak"),
    "evaluate": (("evaluate", "--workdir={w}/w", "--subgroups=Visit"), 0, "Calibration slope"),
    "evaluate of others": (
        ("evaluate", "--workdir={w}/w", "--table={w}/" + DEEP, "--out={w}/external"),
        0,
        "EXTERNAL SYNTHETIC phantom subjects",
    ),
    "predict": (("predict", "--workdir={w}/w", "{w}/" + DEEP, "--out={w}/answers.csv"), 0, "sub-01_T1w.nii.gz  in"),
    "explain": (
        ("explain", "--workdir={w}/w", "--table={w}/cut/scans.csv", "--method=gradcam", "--out={w}/maps"),
        3,
        "sub-02_T1w.nii.gz  in",
    ),
    "report": (("report", "--workdir={w}/w"), 0, "report.html"),
    "configs": (("configs",), 0, "variants: quick"),
    "help": (("--help",), 0, "verbs, in the order"),
    "help of a verb": (("explain", "--help"), 0, "--method=METHOD"),
    "compare": (("compare", "{w}/w", "{w}/w2", "--paper"), 0, "p Holm"),
}


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", WALK)
def test_what_a_verb_prints_fits_the_terminal(name, width, world):
    arguments, code, said = WALK[name]
    done = main(*(argument.format(w=world) for argument in arguments), environment={"COLUMNS": str(width)})
    assert done.returncode == code, done.stderr
    printed = done.stdout
    assert " ".join(said.split()) in " ".join(printed.split()) and "…" not in printed
    for line in printed.splitlines():
        paths = [word for word in line.split() if "/" in word and len(word) > width // 2]  # which cannot be folded
        assert len(line.rstrip()) <= width or paths, line
    first = printed.splitlines()[0]
    assert first.startswith("SYNTHETIC: 12 subjects") or name not in ("train", "check", "audit", "evaluate")
    repeated = [line for line in printed.splitlines() if "in cross-validation" in line or "chance level" in line]
    assert len(repeated) <= 2


def test_a_log_has_a_line_for_each_answer(world):
    done = main("predict", f"--workdir={world}/w", world / DEEP)
    lines = [line for line in done.stdout.splitlines() if "_T1w.nii.gz  in " in line]
    assert len(lines) == 12 and all(f"  in {world}/{DEEP}" in line for line in lines)
    assert f"sub-01_T1w.nii.gz  in {world}/{DEEP}  (warning: 3 bytes follow its gzip stream)" in done.stdout


TAKE_A_RUN = {
    "predict": ("predict", "a.nii.gz"),
    "explain": ("explain",),
    "evaluate": ("evaluate",),
    "report": ("report",),
    "audit": ("audit", *TINY),
    "prepare": ("prepare", "a.nii.gz", "--out=o"),
}


@pytest.mark.parametrize("verb", TAKE_A_RUN)
def test_a_workdir_that_is_not_there_is_named_with_the_nearest(verb, tmp_path):
    (tmp_path / "dyn_vgg11").mkdir()
    (tmp_path / "dyn_vgg12").touch()  # no folder
    done = main(*TAKE_A_RUN[verb], f"--workdir={tmp_path}/dyn_vgg12s")
    told = "no such folder; --workdir is the folder of a trained run"
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"{tmp_path}/dyn_vgg12s: {told}; did you mean {tmp_path}/dyn_vgg11?\n"
    done = main(*TAKE_A_RUN[verb], f"--workdir={tmp_path}/nowhere")
    assert (done.returncode, done.stderr) == (3, f"{tmp_path}/nowhere: {told}\n")


@pytest.mark.parametrize(
    "command", [("compare", "{run}", "{folder}"), ("report", "--workdir={run}", "--beside={folder}")]
)
def test_a_run_to_compare_with_that_is_not_there_is_named_with_the_nearest(command, run, tmp_path):
    (tmp_path / "dyn_vgg11").mkdir()
    told = {"dyn_vgg12": f"no such folder; name the folder of a finished run; did you mean {tmp_path}/dyn_vgg11?"}
    told |= {"dyn_vgg11": "holds no run, for there is no config.json; name the folder of a finished run"}
    for name, text in told.items():
        done = main(*(word.format(run=run[0], folder=tmp_path / name) for word in command))
        expected = f"1 of 2 runs cannot be compared:\n  {tmp_path}/{name}: {text}\n"
        assert (done.returncode, done.stdout, done.stderr) == (3, "", expected)


@pytest.mark.parametrize("verb", ["predict", "explain"])
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("{tmp}",), 3, "no .nii or .nii.gz file is in this folder"),
        (("--table={tmp}/no_path.csv",), 3, "has no column path"),
        (("--table={tmp}/gone.csv",), 3, "no such file"),
    ],
)
def test_a_folder_or_a_table_without_scans_is_refused(verb, arguments, code, said, run, tmp_path):
    (tmp_path / "no_path.csv").write_text("file\na.nii\n")
    done = main(verb, f"--workdir={run[0]}", *(argument.format(tmp=tmp_path) for argument in arguments))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1) and said in done.stderr


def test_predict_of_nothing_names_all_that_it_takes(run):
    done = main("predict", f"--workdir={run[0]}")
    assert done.returncode == 2 and "at least one scan: SCAN.nii.gz ..., a folder of them, or --table" in done.stderr
