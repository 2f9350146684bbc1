"""The recipes for containers: both copy the same files and run one script, which is run here in a clean folder."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKER, APPTAINER = ((ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "apptainer.def"))
SCRIPT = "sh /source/container/install.sh /source /opt/dynjax"


def copied():
    """What the Dockerfile copies to /source."""
    names = [line.split()[1:-1] for line in DOCKER.splitlines() if line.startswith("COPY")]
    return sorted(name for line in names for name in line)


def test_both_recipes_are_one():
    files = DOCKER, APPTAINER
    assert copied() == sorted(re.findall(r"^    (\S+) /source/\1$", APPTAINER, re.M))
    assert all((ROOT / name).exists() for name in copied())
    assert all(text.count(SCRIPT) == 1 and "EXTRA" in text for text in files)
    assert 'ENTRYPOINT ["dynjax"]' in DOCKER and 'exec dynjax "$@"' in APPTAINER
    assert re.search(r"^FROM (\S+)$", DOCKER, re.M)[1] == re.search(r"^From: (\S+)$", APPTAINER, re.M)[1]


def test_whoever_runs_it_owns_what_it_writes():
    """Wherever a container is run with a folder mounted, it is run as the user, who has no home there but the cache."""
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    runs = [line for text in (DOCKER, page) for line in text.splitlines() if "docker run" in line]
    assert len(runs) == 3 and all('--user "$(id -u):$(id -g)" -v "$PWD:/data"' in line for line in runs)
    assert re.search(r"^ENV .*\bDYNJAX_CACHE=/cache HOME=/cache$", DOCKER, re.M) and "chmod 777 /cache" in DOCKER


@pytest.mark.slow
def test_the_script_of_the_recipes_installs_the_command(tmp_path):
    """Runs it on what the recipes copy, in a Python environment of its own, where pip finds packages."""
    for name in copied():
        source, target = ROOT / name, tmp_path / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    world = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = ("sh", tmp_path / "source" / "container" / "install.sh", tmp_path / "source", tmp_path / "installed")
    done = subprocess.run(script, cwd=tmp_path, env=world, capture_output=True, text=True)
    if "No matching distribution" in done.stderr or "Failed to establish a new connection" in done.stderr:
        pytest.skip("packages cannot be had here")
    assert done.returncode == 0, done.stderr
    help_ = subprocess.run(
        (tmp_path / "installed" / "bin" / "dynjax", "--help"), cwd=tmp_path, capture_output=True, text=True
    )
    assert help_.returncode == 0 and "predict" in help_.stdout
