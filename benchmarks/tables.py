"""Tables 2 and 3 of the paper on the phantom cohort: python -m benchmarks.tables [--config.KEY=VALUE ...].

Each row is a run of its own in runs/tables, continued where it stopped. The rows that compare projections and attention
use VGG11, as the paper does, where its ImageNet weights can be had, and else MobileNetV2.
"""

import subprocess
import sys
from pathlib import Path

from dynjax.errors import InputError
from dynjax.pretrained.source import find_weights

ROOT = Path(__file__).parents[1]
BACKBONES = ("dyn_alexnet", "dyn_resnet18", "dyn_mobilenet_v2", "dyn_vgg11")
MOBILENET = ("--config.model.name=mobilenet_v2", "--config.train.epochs=20")


def rows(with_vgg11: bool) -> list[tuple[str, str, tuple[str, ...]]]:
    """(folder, config, changes) of each row."""
    table = [(name, f"{name}:quick", ()) for name in BACKBONES]
    own, changes, suffix = ("dyn_vgg11", (), "") if with_vgg11 else ("dyn_mobilenet_v2", MOBILENET, "-mobilenet_v2")
    for name in ("max_vgg11", "avg_vgg11"):
        table.append((f"{name}{suffix}-noatt", f"{name}:quick,noatt", changes))
        table.append((f"{name}{suffix}", f"{name}:quick", changes))
    return [*table, (f"{own}-noatt", f"{own}:quick,noatt", ())]


def main(options: list[str]) -> int:
    with_vgg11 = _has_weights("vgg11")
    if not with_vgg11:
        print("VGG11's ImageNet weights are not at hand: the rows on projections and attention use MobileNetV2's")
    folders = []
    for folder, config, changes in rows(with_vgg11):
        folders.append(ROOT / "runs" / "tables" / folder)
        print(f"\n{folder}", flush=True)
        if code := _run(f"--config={ROOT}/configs/{_file(config)}", f"--workdir={folders[-1]}", *changes, *options):
            return code
    print("\nSYNTHETIC subjects, quick runs: these numbers say how the methods compare here, nothing about patients.")
    print("3D-VGG and 3D-ResNet are left out: on a CPU they take days; their configs are vgg3d.py and resnet3d.py.")
    return _run("compare", *map(str, folders), "--paper", f"--out={ROOT}/runs/tables/tables.csv")


def _file(config: str) -> str:
    name, _, variant = config.partition(":")
    return f"{name}.py:{variant}"


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
