"""Makes the paper's Tables 2 and 3 on the phantom cohort: python -m benchmarks.tables [--hours=H] [--config.KEY=VALUE].

Each row is a run of its own in runs/tables and continues where it stopped. The rows that compare projections and
attention use VGG11, as the paper does, or MobileNetV2 if VGG11's ImageNet weights are not available. On a CPU, a 3D
network is trained on the first fold only, in small batches, for as many epochs as fit into H hours, 1 by default.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax

from dynjax.errors import InputError
from dynjax.pretrained.source import find_weights

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "tables"
BACKBONES = ("dyn_alexnet", "dyn_resnet18", "dyn_mobilenet_v2", "dyn_vgg11")
MOBILENET = ("--config.model.name=mobilenet_v2", "--config.train.epochs=20")
VOLUMETRIC = ("vgg3d", "resnet3d")
ONE_FOLD = ("--config.train.only_folds=0", "--config.train.batch_size=2", "--config.train.checkpoint_every=1")
LONGEST = 20  # epochs of a 3D network


class Row(NamedTuple):
    """A run of the tables. folder: in RUNS. config: name[:variant]. changes: options of the command line."""

    folder: str
    config: str
    changes: tuple[str, ...] = ()


def rows(with_vgg11: bool) -> list[Row]:
    """Returns the rows of the 2D networks."""
    table = [Row(name, f"{name}:quick") for name in BACKBONES]
    own, changes, suffix = ("dyn_vgg11", (), "") if with_vgg11 else ("dyn_mobilenet_v2", MOBILENET, "-mobilenet_v2")
    for name in ("max_vgg11", "avg_vgg11"):
        table.append(Row(f"{name}{suffix}-noatt", f"{name}:quick,noatt", changes))
        table.append(Row(f"{name}{suffix}", f"{name}:quick", changes))
    return [*table, Row(f"{own}-noatt", f"{own}:quick,noatt")]


def main(options: list[str]) -> int:
    hours = [float(option.partition("=")[2]) for option in options if option.startswith("--hours=")] or [1.0]
    options = [option for option in options if not option.startswith("--hours=")]
    with_vgg11 = _has_weights("vgg11")
    if not with_vgg11:
        print("VGG11's ImageNet weights are not at hand: the rows on projections and attention use MobileNetV2's")
    table = rows(with_vgg11)
    for row in table:
        if code := _train(row, options):
            return code
    for name in VOLUMETRIC:
        table.append(_one_fold(name, hours[-1], options) if jax.default_backend() == "cpu" else Row(name, name))
        if code := _train(table[-1], options):
            return code
        _run("evaluate", f"--workdir={RUNS / name}", "--finished-folds")
    print("\nSYNTHETIC subjects, quick runs: these numbers say how the methods compare here, nothing about patients.")
    return _run("compare", *(str(RUNS / row.folder) for row in table), "--paper", f"--out={RUNS}/tables.csv")


def _one_fold(name: str, hours: float, options: list[str]) -> Row:
    """Chooses the epochs of a 3D network: those of an earlier run, or as many as fit, judging by a trial epoch."""
    config = RUNS / name / "config.json"
    if config.exists():
        return Row(
            name, name, (*ONE_FOLD, f"--config.train.epochs={json.loads(config.read_text())['train']['epochs']}")
        )
    trial, start = Row(f"{name}-trial", name, (*ONE_FOLD, "--config.train.epochs=1")), time.monotonic()
    _train(trial, options)
    epochs = min(max(int(hours * 3600 / (time.monotonic() - start)) - 1, 1), LONGEST)
    if epochs == 1 and (RUNS / trial.folder / "config.json").exists():
        shutil.rmtree(RUNS / name, ignore_errors=True)  # the locks of a killed run
        (RUNS / trial.folder).rename(RUNS / name)
    return Row(name, name, (*ONE_FOLD, f"--config.train.epochs={epochs}"))


def _train(row: Row, options: list[str]) -> int:
    print(f"\n{row.folder}", flush=True)
    name, _, variant = row.config.partition(":")
    config = f"--config={ROOT}/configs/{name}.py" + (f":{variant}" if variant else "")
    return _run(config, f"--workdir={RUNS / row.folder}", *row.changes, *options)


def _has_weights(model: str) -> bool:
    try:
        find_weights(model, "required")
    except InputError as error:
        print(error)
        return False
    return True


def _run(*arguments: str) -> int:
    return subprocess.run([sys.executable, ROOT / "main.py", *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
