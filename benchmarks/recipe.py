"""Chooses the recipe of configs/best.py on ten synthetic cohorts and scores it on twenty others (`make recipe`).

python -m benchmarks.recipe [choose] [score]: both by default. Figures are kept in runs/recipe, and what is there is not
computed again. Every cohort has 100 subjects and five folds; its seed is that of the subjects and of the folds.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict
from scipy import stats

from configs import best
from dynjax.baselines.features import FEATURES
from dynjax.baselines.fit import cross_validate
from dynjax.cohort.folds import make_folds
from dynjax.evaluation.metrics import METRICS
from dynjax.files import write_text
from dynjax.linear.answer import fit_linear
from dynjax.projection.store import project_scan
from dynjax.run import settings
from dynjax.run.data import Data, find_cohort, load_data
from dynjax.run.inputs import make_trunk_of, seeing_of
from dynjax.run.runtime import configure_jax
from dynjax.run.workdir import Workdir
from dynjax.work.parallel import map_scans

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "recipe"
CHOOSING, SCORING, TUNED = range(100, 110), range(200, 220), range(200, 205)
PLANES = "axial+coronal+sagittal"
BASELINES = ("svm_voxels", "svm_mask", "brain_volume", "mean_intensity", "age_sex")
TUNED_CONFIG = "dyn_mobilenet_v2:quick"

# What is chosen from: (projections, axes, slabs), each at every one of PENALTIES; 0 is chosen by inner folds.
VIEWS = [
    ("dynamic", "axial", 1),
    ("mean", "axial", 1),
    ("dynamic", PLANES, 1),
    ("mean", PLANES, 1),
    *(("mean", axis, slabs) for axis in ("coronal", PLANES) for slabs in (4, 6, 8, 12)),
    ("mean", "axial", 6),
    ("mean", "coronal+sagittal", 6),
    ("dynamic", PLANES, 6),
    ("mean+dynamic", PLANES, 6),
]
PENALTIES = (0.0, 1.0, 3.0)
Scores = dict[str, dict[str, Any]]  # method -> seed -> figures


def main(arguments: list[str]) -> int:
    configure_jax()
    asked = arguments or ["choose", "score"]
    if unknown := set(asked) - {"choose", "score"}:
        print(f"there is no {', '.join(sorted(unknown))}; choose of choose, score")
        return 2
    if "choose" in asked:
        choose()
    if "score" in asked:
        score()
    return 0


def choose() -> None:
    """Prints the mean AUC of every candidate over the cohorts that choose, the best first."""
    scores = _read("choosing")
    for seed in CHOOSING:
        for name, axis, slabs in VIEWS:
            missing = [p for p in PENALTIES if str(seed) not in scores.get(_title(name, axis, slabs, p), {})]
            if missing:
                data = _data(
                    _config(seed, {"projection.name": name, "projection.axis": axis, "projection.slabs": slabs})
                )
                features = _unstored(data)
                for penalty in missing:
                    _keep(scores, _title(name, axis, slabs, penalty), seed, _linear(data, features, penalty))
        _write("choosing", scores)
    rows = sorted(scores.items(), key=lambda row: -np.mean([each["auc"] for each in row[1].values()]))
    print(f"\nSYNTHETIC: mean over cohorts {CHOOSING[0]} to {CHOOSING[-1]}; an AUC, a calibration slope, a log loss")
    for title, found in rows:
        means = [np.mean([each[key] for each in found.values()]) for key in ("auc", "slope", "log_loss")]
        print(f"{means[0]:.4f}  {means[1]:.2f}  {means[2]:.3f}  {title}")


def score() -> None:
    """Prints the recipe beside baselines and fine-tuned networks on the cohorts that chose nothing."""
    scores = _read("scoring")
    for seed in SCORING:
        if str(seed) not in scores.get("recipe", {}):
            start = time.monotonic()
            data = _data(_config(seed, {}))
            ready = time.monotonic()
            features = _features(data)
            seen = time.monotonic()
            found = _linear(data, features, best.get_config().model.penalty)
            seconds = {"features_s": seen - ready, "fitting_s": time.monotonic() - seen, "phantoms_s": ready - start}
            _keep(scores, "recipe", seed, found | seconds)
        for name in BASELINES:
            if str(seed) not in scores.get(name, {}):
                _keep(scores, name, seed, _baseline(seed, name))
        _write("scoring", scores)
        print(f"cohort {seed}: the recipe and the baselines are scored", flush=True)
    if untuned := [seed for seed in TUNED if str(seed) not in scores.get("fine-tuned", {})]:
        _show(scores)
    for seed in untuned:
        _keep(scores, "fine-tuned", seed, _tuned(seed))
        _write("scoring", scores)
        print(f"cohort {seed}: the fine-tuned network is scored", flush=True)
    _show(scores)


def _show(scores: Scores) -> None:
    """Prints the table: each method, and its difference to the voxel SVM, with t intervals over cohorts."""
    print(f"\nSYNTHETIC: cohorts from {SCORING[0]} on; 95 % t intervals over cohorts; less the SVM on voxels, paired")
    print("method          cohorts  AUC                    less the SVM             slope  intercept  ECE    log loss")
    svm = scores.get("svm_voxels", {})
    for name, found in scores.items():
        seeds = [seed for seed in found if seed in svm]
        values = [found[seed]["auc"] for seed in seeds]
        differences = [found[seed]["auc"] - svm[seed]["auc"] for seed in seeds]
        means = [np.mean([found[seed][key] for seed in seeds]) for key in ("slope", "intercept", "ece", "log_loss")]
        cells = f"{means[0]:5.2f}  {means[1]:9.2f}  {means[2]:.3f}  {means[3]:.3f}"
        print(
            f"{name:14s}  {len(seeds):7d}  {_interval(values):21s}  {_interval(differences):23s}  {cells}", flush=True
        )


def _interval(values: list[float]) -> str:
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean:.3f} ({mean - half:.3f} to {mean + half:.3f})"


def _config(seed: int, changes: Mapping[str, Any]) -> FrozenConfigDict:
    config = ConfigDict(best.get_config().to_dict())
    config.update_from_flattened_dict({"seed": seed, "cohort.phantom.seed": seed} | dict(changes))
    return settings.resolve(config)


def _data(config: FrozenConfigDict) -> Data:
    workdir = Workdir(RUNS / "trunk")
    workdir.path.mkdir(parents=True, exist_ok=True)
    cohort = find_cohort(config)
    folds = make_folds(cohort, config.train.folds, config.seed)
    return load_data(config, cohort, folds, make_trunk_of(config, workdir))


def _features(data: Data) -> np.ndarray:
    features = np.asarray(data.images(np.ones(len(data.targets), bool)))
    return features.reshape(len(features), -1)


def _unstored(data: Data) -> np.ndarray:
    """Returns what `_features` does, and leaves nothing in the store: the candidates are many and are used once."""
    assert data.trunk is not None
    seeing = seeing_of(data.config, data.trunk)

    def see(path: Path) -> np.ndarray:
        return seeing.features(project_scan(path, seeing.projection)).ravel()

    return np.stack(map_scans(see, [Path(scan.path) for scan in data.cohort.scans], "seeing scans"))


def _linear(data: Data, features: np.ndarray, penalty: float) -> dict[str, Any]:
    """Scores the linear answer in the folds, as a run does."""
    people = [scan.subject for scan in data.cohort.scans]
    probabilities = np.empty(len(data.targets), np.float32)
    for fold in range(data.config.train.folds):
        train = np.flatnonzero(data.folds != fold)
        answer = fit_linear(features[train], data.targets[train], [people[i] for i in train], data.config.seed, penalty)
        test = data.folds == fold
        probabilities[test] = answer.predict_proba(features[test])[:, 1]
    return _figures(data.targets, probabilities)


def _baseline(seed: int, name: str) -> dict[str, Any]:
    config = _config(seed, {})
    cohort = find_cohort(config)
    folds = make_folds(cohort, config.train.folds, seed)
    values = FEATURES[name](cohort, settings.projection_of(config).reading).values
    targets, people = np.array(cohort.targets), [scan.subject for scan in cohort.scans]
    return _figures(targets, cross_validate(name, values, targets, folds, people, seed).probabilities)


def _tuned(seed: int) -> dict[str, Any]:
    """Trains the fine-tuned network as a user would, and reads its scores."""
    workdir, name = Workdir(RUNS / f"fine-tuned-{seed}"), TUNED_CONFIG.replace(":", ".py:")
    options = [f"--config={ROOT}/configs/{name}", f"--workdir={workdir}"]
    options += [f"--config.seed={seed}", f"--config.cohort.phantom.seed={seed}"]
    subprocess.run([sys.executable, ROOT / "main.py", *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads(workdir.results.read_text())["metrics"]
    names = {"auc": "roc_auc", "slope": "calibration_slope", "intercept": "calibration_intercept"}
    names |= {"ece": "ece", "log_loss": "log_loss"}
    return {key: metrics[metric]["value"] for key, metric in names.items()}


def _figures(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    weights = np.ones(len(labels))
    names = {"auc": "roc_auc", "slope": "calibration_slope", "intercept": "calibration_intercept"}
    names |= {"ece": "ece", "log_loss": "log_loss"}
    return {key: float(METRICS[metric](labels, probabilities, weights)) for key, metric in names.items()}


def _title(name: str, axis: str, slabs: int, penalty: float) -> str:
    where = "three planes" if axis == PLANES else axis
    return f"{name}, {where}, slabs {slabs}, penalty {penalty:g}" if penalty else f"{name}, {where}, slabs {slabs}"


def _keep(scores: Scores, method: str, seed: int, figures: dict[str, Any]) -> None:
    scores.setdefault(method, {})[str(seed)] = figures


def _read(name: str) -> Scores:
    path = RUNS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _write(name: str, scores: Scores) -> None:
    write_text(RUNS / f"{name}.json", json.dumps(scores, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
