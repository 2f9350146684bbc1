"""Shows on shuffled labels how biased each way to select an epoch is: python -m benchmarks.noise (`make noise`).

Trains a MobileNetV2 from ImageNet on the phantom cohort with labels shuffled by each of five seeds. It memorises them,
which an AlexNet from random weights does not. Each run is kept in runs/noise and continues where it stopped. Before
that, a classifier that trains at once shows in a minute how far fair AUCs spread over many shufflings.
"""

import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.kernel_ridge import KernelRidge

from configs.base import experiment
from dynjax.cohort.folds import make_folds
from dynjax.cohort.scan import shuffle_labels
from dynjax.evaluation.delong import auc_interval
from dynjax.evaluation.metrics import METRICS, roc_auc_within_folds
from dynjax.projection.store import project_cohort
from dynjax.report.wording import SELECTIONS, estimate_text
from dynjax.run import settings
from dynjax.run.data import find_cohort
from dynjax.run.inputs import scale
from dynjax.run.results import read_results

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "noise"
SEEDS = range(5)
CONFIG = (
    "--config=configs/dyn_mobilenet_v2.py",
    "--config.train.epochs=40",
    "--config.cohort.shuffle=True",
)
SHUFFLINGS = 1000


def main(options: list[str]) -> int:
    print_spread()
    for select in SELECTIONS:
        for seed in SEEDS:
            print(f"\n{_folder(select, seed).name}", flush=True)
            keys = (f"--config.evaluate.select={select}", f"--config.seed={seed}")
            command = [sys.executable, ROOT / "main.py", *CONFIG, *keys, f"--workdir={_folder(select, seed)}", *options]
            if code := subprocess.run(command, cwd=ROOT).returncode:
                return code
    print("\nAUC of SYNTHETIC subjects with shuffled labels, 95 % interval; fair ones spread about 0.5.")
    for select in SELECTIONS:
        estimates = [_auc(_folder(select, seed)) for seed in SEEDS]
        cells = [estimate_text(auc, digits=3) for auc in estimates]
        print(f"{select:10}", *cells, f"mean {statistics.mean(auc['value'] for auc in estimates):.3f}", sep="  ")
    return 0


def print_spread(shufflings: int = SHUFFLINGS) -> None:
    """Prints how AUCs of kernel ridge on dynamic images spread, cross-validated in five folds on each shuffling."""
    config = settings.resolve(experiment({}, "", 1))
    cohort = find_cohort(config)
    projected = project_cohort([Path(scan.path) for scan in cohort.scans], settings.projection_of(config))
    rows = scale(config, projected.images).reshape(len(projected.images), -1)
    rows = rows - rows.mean(0)
    values, within, intervals = [], [], []
    for seed in range(shufflings):
        shuffled = shuffle_labels(cohort, seed)
        labels, folds = np.array(shuffled.targets), make_folds(shuffled, config.train.folds, seed)
        answers = cross_validated(rows @ rows.T, labels, folds)
        values.append(METRICS["roc_auc"](labels, answers, np.ones(len(labels))))
        within.append(roc_auc_within_folds(labels, answers, np.ones(len(labels)), folds))
        intervals.append(auc_interval(labels, answers))
    low, high = np.transpose(intervals)
    print(f"fair AUCs of {shufflings} shufflings: mean {np.mean(values):.3f}, standard deviation {np.std(values):.3f};")
    below, above = 100 * np.mean(high < 0.5), 100 * np.mean(low > 0.5)
    print(f"of their 95 % intervals {below:.1f} % lie below 0.5 and {above:.1f} % above it")
    print(f"AUCs within folds: mean {np.mean(within):.3f}, standard deviation {np.std(within):.3f}")


def cross_validated(kernel: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Returns out-of-fold scores [N] of kernel ridge regression, from the kernel [N, N] of the scans."""
    answers = np.empty(len(labels))
    for fold in np.unique(folds):
        seen = folds != fold
        ridge = KernelRidge(alpha=np.trace(kernel) / len(kernel), kernel="precomputed")
        ridge.fit(kernel[np.ix_(seen, seen)], 2 * labels[seen] - 1)
        answers[~seen] = ridge.predict(kernel[np.ix_(~seen, seen)])
    return answers


def _folder(select: str, seed: int) -> Path:
    return RUNS / f"{select}-{seed}"


def _auc(folder: Path) -> dict:
    return read_results(folder / "results.json")["metrics"]["roc_auc"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
