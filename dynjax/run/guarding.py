"""Keeps what is usual among a run's scans, fold by fold, and judges by it how like them another scan is."""

import contextlib
import hashlib
import io
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynjax.errors import InputError
from dynjax.files import atomic_path, write_text
from dynjax.guard import features, likeness, measures
from dynjax.guard.deviation import Judgement, Reference, judge, make_reference
from dynjax.guard.likeness import Picture
from dynjax.guard.words import reasons
from dynjax.report.wording import name_folds
from dynjax.run import settings
from dynjax.run.data import Data
from dynjax.run.trained import Answers, Trained
from dynjax.run.workdir import Workdir
from dynjax.volumes.blocks import block_means
from dynjax.volumes.intensity import intensity_range
from dynjax.volumes.nifti import Volume, load_volume
from dynjax.work.parallel import map_scans

SCHEMA = 1
INDEX = "reference.json"  # written last: it has the digests of the other files
NAMES = (*likeness.LEAST, "features", *measures.LEAST)  # of the J measures, in this order
LEAST = np.array([*likeness.LEAST.values(), features.LEAST, *measures.LEAST.values()])
ONE_SIDED = np.array([name in (*likeness.LEAST, "features") for name in NAMES])
STEPS, BRIGHTEST = 2**12, 4.0  # sums are of whole numbers, so that their order does not matter: steps in 1, largest


class Sketch(NamedTuple):
    """Keeps what is compared of a volume: its block means, float32 [D], and its measures, float64."""

    blocks: np.ndarray
    measures: np.ndarray


class FoldReference(NamedTuple):
    """Describes the training scans of a fold by their usual picture and their features under its network [M, F]."""

    picture: Picture
    features: np.ndarray


class Guard(NamedTuple):
    """Holds what is usual among a run's scans, and describes the training scans of each fold.

    Of a repeated run it is of the first repeat, whose networks come first wherever all are listed.
    """

    reference: Reference
    folds: Mapping[int, FoldReference]

    def seen(self, networks: Sequence[Trained], answers: Sequence[Answers]) -> dict[int, np.ndarray]:
        """Returns what the networks of the folds saw in N scans: fold -> reduced features [N, F].

        Raises: InputError if the network of a fold is gone.
        """
        pairs = [(network.about["fold"], answer.features) for network, answer in zip(networks, answers)]
        first = dict(reversed(pairs))  # the first of several networks of a fold
        if missing := sorted(self.folds.keys() - first.keys()):
            advice = "evaluate the run with --finished-folds, which makes it anew"
            raise InputError(f"{INDEX} of the run is also of {name_folds(missing)}, whose network is gone; {advice}")
        return {fold: features.reduce_features(first[fold]) for fold in self.folds}

    def judge(self, sketch: Sketch, seen: Mapping[int, np.ndarray]) -> tuple[Judgement, str]:
        """Judges a scan by its sketch and its features [F] under each fold's network; the reason is '' if it is ok."""
        values = np.stack([_measure(sketch, seen[number], fold) for number, fold in self.folds.items()])
        found = judge(self.reference, values)
        if found.verdict in ("ok", "unknown"):
            return found, ""
        picture = next(iter(self.folds.values())).picture
        change = likeness.likely_change(sketch.blocks, picture.mean)
        return found, reasons(found, self.reference, NAMES, np.median(values, 0), change)


def sketch_volume(volume: Volume) -> Sketch:
    """Reduces a volume on the grid to what is compared."""
    spacing = float(np.linalg.norm(volume.affine[:3, 0]))
    return Sketch(block_means(volume.data), measures.measure_volume(volume.data, spacing))


def keep_reference(workdir: Workdir, data: Data, trained: Mapping[int, Trained]) -> None:
    """Writes reference/: for each trained fold the mean volumes by class, picture and features of the scans outside it.

    The measures of each fold's test scans to them are summarised in reference.json, with the digests of all files.
    Raises: InputError if a scan can no longer be read.
    """
    sketches, sums = _survey(data)
    blocks = np.stack([sketch.blocks for sketch in sketches])
    values = np.full((len(sketches), len(NAMES)), np.nan)
    images = data.images(np.ones(len(sketches), bool))
    files = {}
    for fold, network in trained.items():
        test = data.folds == fold
        seen = features.reduce_features(network.answer(images).features)
        kept = FoldReference(likeness.make_picture(blocks[~test]), seen[~test])
        values[test] = [_measure(sketches[i], seen[i], kept) for i in np.flatnonzero(test)]
        means = {f"mean_{label}": _mean(data, sums, fold, label) for label in (0, 1)}
        arrays = means | kept.picture._asdict() | {"features": kept.features}
        files[_file(fold)] = _write(workdir.reference / _file(fold), arrays)
    scored = np.isin(data.folds, list(trained))
    reference = make_reference(values[scored], data.folds[scored], LEAST, ONE_SIDED)
    about = {"schema": SCHEMA, "folds": list(trained), "files": files, **_to_json(reference)}
    write_text(workdir.reference / INDEX, json.dumps(about, indent=2) + "\n")


def read_guard(workdir: Workdir) -> Guard | None:
    """Reads what `keep_reference` wrote; None if the run has none. Raises: InputError if a file is damaged."""
    if (about := _read_index(workdir)) is None:
        return None
    with _damage_in_words(workdir):
        folds = {fold: _read_fold(workdir.reference / _file(fold), about["files"]) for fold in about["folds"]}
        return Guard(_from_json(about), folds)


def _read_index(workdir: Workdir) -> dict[str, Any] | None:
    with _damage_in_words(workdir):
        try:
            text = (workdir.reference / INDEX).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        about = json.loads(text)
        if about["names"] != list(NAMES) or about["schema"] != SCHEMA:
            raise ValueError("of another version")
        return about


@contextlib.contextmanager
def _damage_in_words(workdir: Workdir) -> Iterator[None]:
    advice = f"run evaluate on {workdir}, which makes it again"
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file; {advice}") from None
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(f"{workdir.reference}: damaged ({error}); {advice}") from None


def read_means(workdir: Workdir) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Reads the mean volumes of the negative and the positive class outside each fold; {} if the run keeps none.

    They are float32 [X, Y, Z], each scan from 0 at its minimum to 1 at its 99th percentile. Raises: as `read_guard`.
    """
    if (about := _read_index(workdir)) is None:
        return {}
    with _damage_in_words(workdir):
        found = {fold: _read_arrays(workdir.reference / _file(fold), about["files"]) for fold in about["folds"]}
        return {fold: (arrays["mean_0"], arrays["mean_1"]) for fold, arrays in found.items()}


def mean_volumes(data: Data, folds: Sequence[int]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Makes what `read_means` reads, of the scans. Raises: InputError if a scan cannot be read."""
    _, sums = _survey(data)
    return {fold: (_mean(data, sums, fold, 0), _mean(data, sums, fold, 1)) for fold in folds}


def _survey(data: Data) -> tuple[list[Sketch], np.ndarray]:
    """Reads every scan once: its sketch, and the sums of volumes by fold and label, int32 [folds, 2, X, Y, Z]."""
    reading = settings.projection_of(data.config).reading
    sums = np.zeros((data.config.train.folds, 2, *reading.grid.shape), np.int32)
    lock = threading.Lock()

    def sketch(index: int) -> Sketch:
        volume = load_volume(data.cohort.scans[index].path, *reading)
        whole = _whole_numbers(volume.data)
        with lock:
            sums[data.folds[index], data.targets[index]] += whole
        return sketch_volume(volume)

    return map_scans(sketch, range(len(data.cohort.scans)), "remembering what the scans are like"), sums


def _whole_numbers(volume: np.ndarray) -> np.ndarray:
    """Scales a volume from its minimum and 99th percentile to 0 and STEPS, whole numbers: int32 [X, Y, Z]."""
    low, extent = intensity_range(volume)
    return np.rint(np.clip((volume - low) / extent, 0, BRIGHTEST) * STEPS).astype(np.int32)


def _mean(data: Data, sums: np.ndarray, fold: int, label: int) -> np.ndarray:
    """Returns the mean volume of a class over the scans outside a fold, float32 [X, Y, Z], scaled as they were."""
    others = [number for number in range(len(sums)) if number != fold]
    count = int(((data.folds != fold) & (data.targets == label)).sum())
    return (sums[others, label].sum(0, dtype=np.int64) / (max(count, 1) * STEPS)).astype(np.float32)


def _measure(sketch: Sketch, seen: np.ndarray, fold: FoldReference) -> np.ndarray:
    """Returns all J measures of a scan to the training scans of a fold."""
    alike = likeness.measure_likeness(sketch.blocks[None], fold.picture)[0]
    remote = features.remoteness(seen[None], fold.features)
    return np.concatenate([alike, remote, sketch.measures])


def _file(fold: int) -> str:
    return f"fold_{fold}.npz"


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Writes arrays and returns the file's sha256."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def _read_fold(path: Path, files: Mapping[str, str]) -> FoldReference:
    arrays = _read_arrays(path, files)
    return FoldReference(Picture(arrays["mean"], arrays["spread"]), arrays["features"])


def _read_arrays(path: Path, files: Mapping[str, str]) -> dict[str, np.ndarray]:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != files[path.name]:
        raise ValueError(f"{path.name} is not as it was written")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _to_json(reference: Reference) -> dict[str, Any]:
    return {
        "names": list(NAMES),
        "middle": reference.middle.tolist(),
        "spread": reference.spread.tolist(),
        "deviations": [fold.tolist() for fold in reference.folds],  # of the test scans of each fold
    }


def _from_json(about: Mapping[str, Any]) -> Reference:
    columns: Sequence[Sequence[float]] = about["middle"], about["spread"]
    middle, spread = (np.array(column, np.float64) for column in columns)
    return Reference(middle, spread, ONE_SIDED, tuple(np.array(fold, np.float64) for fold in about["deviations"]))
