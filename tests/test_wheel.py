"""The wheel as it is installed: in an environment of its own, in a folder without the checkout."""

import csv
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.command import ROOT

TINY = (
    *("--config.cohort.phantom.n=20", "--config.volume.grid=32,32,32", "--config.volume.spacing=6.9"),
    *("--config.model.pretrained=none", "--config.train.epochs=1", "--config.train.folds=2"),
)
RUN = "--workdir=runs/dyn_mobilenet_v2-quick"
OWN = "from configs.base import experiment\n\n\ndef get_config(variant=''):\n    return experiment({}, variant, 1)\n"


def _called(*command, cwd: Path) -> str:
    """Runs a command that knows nothing of the checkout; returns what it prints."""
    world = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=world, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The bin/ of an environment with the wheel alone, which finds all that dynjax needs in this one."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    build = subprocess.run((*pip, "wheel", "--no-deps", f"--wheel-dir={folder}", ROOT), capture_output=True, text=True)
    if "No matching distribution found for hatchling" in build.stderr:
        pytest.skip("hatchling, which builds the wheel, cannot be had here")
    assert build.returncode == 0, build.stderr
    _called(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # Searched last, and without its own .pth files, such as that of an editable dynjax.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = folder.glob("dynjax-*.whl")
    _called(
        *pip, "--python", folder / "venv" / "bin" / "python", "install", "--no-deps", "--no-index", wheel, cwd=folder
    )
    return folder / "venv" / "bin"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A folder with a config of the user's own and nothing else."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "configs").mkdir()  # hides no config that is installed
    (folder / "configs" / "mine.py").write_text(OWN)
    return folder


@pytest.mark.slow
def test_the_wheel_holds_the_command_and_the_configs(installed, study):
    where = _called(installed / "python", "-c", "import dynjax; print(dynjax.__file__)", cwd=study)
    assert Path(where).is_relative_to(installed.parent), where
    for command in ((installed / "dynjax",), (installed / "python", "-m", "dynjax")):
        assert "usage: dynjax VERB" in _called(*command, cwd=study)
        assert set(_called(*command, "configs", cwd=study).split()) >= {
            path.stem for path in ROOT.glob("configs/d*.py")
        }
        shown = _called(*command, "show", "--config=configs/mine.py", cwd=study)
        assert shown == _called(*command, "show", "--config=dyn_vgg11", cwd=study)


@pytest.mark.slow
def test_an_installed_dynjax_trains_predicts_reports_and_explains(installed, study):
    command = installed / "dynjax"
    _called(command, "train", "--config=dyn_mobilenet_v2:quick", *TINY, cwd=study)
    with open(study / "runs" / "dyn_mobilenet_v2-quick" / "predictions.csv", newline="") as file:
        subject = next(csv.DictReader(file))["subject"]
    (scan, *_) = Path(os.environ["DYNJAX_CACHE"], "phantoms").rglob("*.nii.gz")
    assert scan.name in _called(command, "predict", RUN, "--allow-unlike", scan, cwd=study)
    assert "with 1 map" in " ".join(_called(command, "explain", RUN, f"--subjects={subject}", cwd=study).split())
    _called(command, "report", RUN, cwd=study)
    assert (study / "runs" / "dyn_mobilenet_v2-quick" / "report.html").stat().st_size > 10**5
