"""What each way to select an epoch makes of labels that are pure noise: python -m benchmarks.noise (`make noise`).

A quick MobileNetV2 from ImageNet on the phantom cohort, its labels dealt out anew among the subjects by each of five
seeds: it learns them by heart, as an AlexNet from random weights does not. Each run is kept in runs/noise and continued
where it stopped.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

from dynjax.evaluation.results import SELECTIONS

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "noise"
SEEDS = range(5)
CONFIG = ("--config=configs/dyn_mobilenet_v2.py:quick", "--config.cohort.shuffle=True")


def main(options: list[str]) -> int:
    for select in SELECTIONS:
        for seed in SEEDS:
            print(f"\n{_folder(select, seed).name}", flush=True)
            keys = (f"--config.evaluate.select={select}", f"--config.seed={seed}")
            command = [sys.executable, ROOT / "main.py", *CONFIG, *keys, f"--workdir={_folder(select, seed)}", *options]
            if code := subprocess.run(command, cwd=ROOT).returncode:
                return code
    print("\nAUC of SYNTHETIC subjects with shuffled labels, 95 % interval; a fair one is near 0.5.")
    for select in SELECTIONS:
        estimates = [_auc(_folder(select, seed)) for seed in SEEDS]
        cells = [f"{auc['value']:.3f} ({auc['ci95'][0]:.3f}-{auc['ci95'][1]:.3f})" for auc in estimates]
        print(f"{select:10}", *cells, f"mean {statistics.mean(auc['value'] for auc in estimates):.3f}", sep="  ")
    return 0


def _folder(select: str, seed: int) -> Path:
    return RUNS / f"{select}-{seed}"


def _auc(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))["metrics"]["roc_auc"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
