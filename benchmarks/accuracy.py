"""Compares the accuracy of CPU forms and XLA's own: python -m benchmarks.accuracy [--config.KEY=VALUE ...].

Runs each 2D network's `:quick` config with either form on three cohorts, each from its own seed (`make accuracy`).
Each run is kept in runs/accuracy and continues where it stopped.
"""

import statistics
import subprocess
import sys
from pathlib import Path

from dynjax.report.wording import estimate_text
from dynjax.run.results import read_results

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "accuracy"
NETWORKS = ("mobilenet_v2", "alexnet", "resnet18", "vgg11")
SEEDS = range(3)
SIDES = {"plain": ("-m", "benchmarks.plain_operations"), "for_cpu": ("main.py",)}


def main(options: list[str]) -> int:
    for seed in SEEDS:
        for network in NETWORKS:
            for side, program in SIDES.items():
                folder = _folder(network, side, seed)
                print(f"\n{folder.name}", flush=True)
                run = (f"--config=configs/dyn_{network}.py:quick", f"--workdir={folder}")
                seeds = (f"--config.seed={seed}", f"--config.cohort.phantom.seed={seed}")
                if code := subprocess.run([sys.executable, *program, *run, *seeds, *options], cwd=ROOT).returncode:
                    return code
    print(f"\nROC AUC of SYNTHETIC subjects, 95 % interval, seeds {', '.join(map(str, SEEDS))}")
    for network in NETWORKS:
        for side in SIDES:
            aucs = [_auc(_folder(network, side, seed)) for seed in SEEDS]
            cells = [estimate_text(auc, digits=3) for auc in aucs]
            print(f"{network:12}  {side:7}", *cells, f"mean {statistics.mean(a['value'] for a in aucs):.3f}", sep="  ")
    return 0


def _folder(network: str, side: str, seed: int) -> Path:
    return RUNS / f"{network}-{side}-{seed}"


def _auc(folder: Path) -> dict:
    return read_results(folder / "results.json")["metrics"]["roc_auc"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
