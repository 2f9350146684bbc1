"""Explains the support vector machine on voxels: the pattern that its weights stand for, the same for every scan."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dynjax.baselines.features import FEATURES
from dynjax.cohort.folds import read_folds
from dynjax.errors import UsageError
from dynjax.explanation.measures import likeness
from dynjax.explanation.pattern import activation_pattern
from dynjax.files import atomic_path, write_text
from dynjax.report.facts import SYNTHETIC
from dynjax.report.map_picture import draw_map
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.claims import CLAIMS, UNITS
from dynjax.run.data import find_cohort
from dynjax.run.refused import without_refused
from dynjax.run.workdir import Workdir
from dynjax.volumes.map_files import write_map
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.reading import Reading

SVM = "svm_voxels"
MAP, PICTURE, SIDECAR = "pattern.nii.gz", "pattern.png", "pattern.json"


def explain_svm(workdir: Workdir, folder: Path, method: str) -> None:
    """Writes the mean pattern over the folds (Haufe et al. 2014), as a map, a picture and a sidecar.

    Of a repeated run they are those of the first repeat.
    Raises: UsageError for another method; InputError if a scan can no longer be read.
    """
    workdir = workdir.repeats()[0]
    config = workdir.read_config()
    if method != "gradients":
        raise UsageError(f"--method={method}: is for networks; {SVM} has one map, the pattern of its weights")
    cohort = without_refused(workdir, find_cohort(config))
    reading = settings.projection_of(config).reading
    folds = read_folds(workdir.folds, cohort, config.train.folds)
    paths = [Path(scan.path) for scan in cohort.scans]
    people = [scan.subject for scan in cohort.scans]
    products = FEATURES[SVM](cohort, reading).values
    patterns = fold_patterns(paths, products, np.array(cohort.targets), folds, people, config.seed, reading)
    mean = np.mean(list(patterns.values()), axis=0)
    first = load_volume(paths[0], *reading)
    folder.mkdir(parents=True, exist_ok=True)
    mark, claim = SYNTHETIC if cohort.synthetic else "", CLAIMS["pattern"]
    write_map(folder / MAP, mean, first.affine)
    with atomic_path(folder / PICTURE) as temporary:
        title = f"pattern of the support vector machine, mean over {len(patterns)} folds"
        temporary.write_bytes(draw_map(first.data, mean, first.affine, title, [claim], mark, UNITS["pattern"]))
    about = {
        "schema": 1,
        "method": "pattern",
        "folds": len(patterns),
        "agreement": likeness(list(patterns.values())),
        "claim": claim,
        "unit": UNITS["pattern"],
        "synthetic": cohort.synthetic,
    }
    write_text(folder / SIDECAR, json.dumps(about, indent=2, allow_nan=False) + "\n")
    print_text(f"written: {folder / MAP}, {folder / PICTURE}, {folder / SIDECAR}")


def fold_patterns(
    paths: list[Path],
    products: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    subjects: list[str],
    seed: int,
    reading: Reading,
) -> dict[int, np.ndarray]:
    """Returns the pattern of each fold's machine, float64 [X, Y, Z], of volumes divided by their length.

    Args: products, of all pairs of volumes, as `voxels` of the baselines gives them.
    """
    from dynjax.baselines.fit import fit  # scikit-learn is slow to import

    found = {}
    for fold in sorted(set(folds.tolist())):
        train = np.flatnonzero(folds != fold)
        kernel = products[np.ix_(train, train)]
        model = fit(SVM, kernel, targets[train], np.asarray(subjects)[train], seed)
        volumes = of_length_one([paths[index] for index in train], reading)
        found[fold] = activation_pattern(volumes, model.svm.decision_function(kernel))
    return found


def of_length_one(paths: Sequence[Path], reading: Reading) -> Iterator[np.ndarray]:
    """Reads scans one by one, each divided by its length, as the machine takes them."""
    for path in paths:
        volume = load_volume(path, *reading).data
        yield volume / np.linalg.norm(volume)
