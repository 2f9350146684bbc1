import json
import os
import subprocess
import sys

import pytest

from benchmarks.__main__ import main
from benchmarks.figures import FIGURES
from benchmarks.table5 import fold_seconds
from tests.command import ROOT

PROMISED = {"name", "jax", "torch", "ratio", "low", "high", "device"}


@pytest.mark.slow
def test_quick_prints_a_json_line_a_figure(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError")  # as where it is not installed
    env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    names = ["train_step/alexnet", "dynamic_image/int16"]
    command = [sys.executable, "-m", "benchmarks", "--quick", f"--only={','.join(names)}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["name"] for line in lines] == names
    for line in lines:
        assert line.keys() >= PROMISED and line["jax"] > 0 and line["device"] == "cpu"
        assert line["torch"] is None and "torch is not installed" in line["reason"]
    assert lines[1]["ratio_numpy"] == pytest.approx(lines[1]["jax"] / lines[1]["numpy"], rel=0.01)


def test_a_figure_that_there_is_not_is_refused_by_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--only=train_step/vgg12"])
    assert "train_step/vgg12: no such figure; there are train_step/vgg11, " in capsys.readouterr().err


def test_every_figure_of_the_lab_book_can_be_measured():
    networks = ("vgg11", "alexnet", "resnet18", "mobilenet_v2", "vgg3d", "resnet3d")
    assert FIGURES.keys() == {f"train_step/{name}" for name in networks} | {
        "dynamic_image/float32", "dynamic_image/int16", "project_cohort", "load_volume", "predict", "compile",
        "epoch/vgg11", "crossval/vgg11",
    }  # fmt: skip


def test_table_5_extrapolates_to_150_epochs_of_80_subjects():
    assert fold_seconds(0.5, count=16) == 0.5 * 5 * 150


@pytest.mark.parametrize("network", ["vgg11", "alexnet", "resnet18", "mobilenet_v2", "vgg3d", "resnet3d"])
def test_torch_has_the_same_parameters(network):
    torch = pytest.importorskip("torch", reason="torch is installed by make bench alone")
    import jax

    from benchmarks import torch_networks
    from dynjax.models.build import build_classifier

    size = (110,) * (3 if network.endswith("3d") else 2)
    with torch.device("meta"):
        theirs = sum(p.numel() for p in torch_networks.build(network, size, 0.5).parameters())
    shapes, _ = jax.eval_shape(build_classifier(network, size).init, jax.random.key(0))
    assert theirs == sum(leaf.size for leaf in jax.tree.leaves(shapes))
