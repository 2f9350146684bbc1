"""A user's own package called configs, beside that of dynjax: each does what it should, whichever is loaded first."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import dynjax
from tests.command import ROOT

OWN = """\
from configs.base import experiment


def get_config(variant=""):
    return experiment({"seed": 7}, variant, 1)
"""
BOTH = OWN.replace("\n", "\nfrom configs.shared import SEED\n", 1).replace("7", "SEED")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's folder, whose package is importable and not yet imported."""
    package = tmp_path / "configs"
    package.mkdir()
    (package / "__init__.py").write_text("MINE = True\n")
    (package / "base.py").write_text("MINE = 'base'\n")
    (package / "shared.py").write_text("SEED = 11\n")
    (package / "mine.py").write_text(OWN)
    (package / "both.py").write_text(BOTH)
    (tmp_path / "plain.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "configs"}
    for name in before:
        del sys.modules[name]
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "configs"]:
        del sys.modules[name]
    sys.modules.update(before)


def test_a_config_in_it_is_loaded_and_the_package_is_the_users(own):
    assert dynjax.load_config(own / "mine.py").seed == 7
    import configs

    assert configs.MINE and "configs.base" not in sys.modules
    assert dynjax.load_config(own / "both.py").seed == 11  # which imports from both
    from configs.base import MINE

    assert MINE == "base"
    assert dynjax.load_config("best").model.head == "linear" and sys.modules["configs"] is configs
    assert sys.modules["configs.base"].MINE == "base"


def test_without_one_nothing_is_left_behind(tmp_path, own, monkeypatch):
    monkeypatch.setattr(sys, "path", [each for each in sys.path if not Path(each or ".", "configs").exists()])
    (tmp_path / "of_ours.py").write_text("from configs.best import get_config\n")
    assert dynjax.load_config(tmp_path / "plain.py").seed == 7
    assert dynjax.load_config(tmp_path / "of_ours.py").model.head == "linear"
    assert not [name for name in sys.modules if name.partition(".")[0] == "configs"]


def test_threads_load_configs_at_a_time(own):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(dynjax.load_config(own / "mine.py").seed)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [7] * 8 and "configs.base" not in sys.modules


@pytest.mark.parametrize("config", ["configs/mine.py", "configs/both.py", "plain.py", "best"])
def test_the_command_loads_it_too(config, own):
    command = [sys.executable, "-m", "dynjax", "show", f"--config={config}"]
    how = {"cwd": own.parent, "env": {"PYTHONPATH": str(ROOT), "PATH": "", "GLIBC_TUNABLES": ""}}
    done = subprocess.run(command, capture_output=True, text=True, **how)
    assert (done.returncode, done.stderr) == (0, "") and '"seed"' in done.stdout
