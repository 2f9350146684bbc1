"""Opens a run for Python: its config, results, predictions and folds, and its networks as functions of arrays."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.baselines.features import BASELINES
from dynjax.cohort.folds import FOLD_COLUMNS
from dynjax.csv_table import read_csv
from dynjax.errors import InputError
from dynjax.evaluation.predictions import read_predictions
from dynjax.projection.project import WHOLE, image_shape
from dynjax.projection.store import project_volume
from dynjax.report.wording import name_folds
from dynjax.run import settings
from dynjax.run.inputs import network_input
from dynjax.run.results import read_results
from dynjax.run.standing import read_standing
from dynjax.run.trained import Trained, load_networks, scored_checkpoint
from dynjax.run.workdir import Workdir
from dynjax.volumes.nifti import Volume, load_volume


class Predictions(NamedTuple):
    """The predictions of a run, each array [N]: of every scan by the network that never saw its subject.

    labels: as spelt in the scan table; probabilities: of the positive class; repeats: 0 unless the run is repeated.
    """

    subjects: np.ndarray
    sessions: np.ndarray
    folds: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    repeats: np.ndarray


class Folds(NamedTuple):
    """Says in which fold each scan is tested, each array [N]; repeats: 0 unless the run is repeated."""

    subjects: np.ndarray
    sessions: np.ndarray
    folds: np.ndarray
    repeats: np.ndarray


class Network(NamedTuple):
    """Holds the network of one fold: network(volumes) gives the probabilities of the positive class.

    about: the checkpoint's description, such as its config and the digests of its training scans.
    """

    trained: Trained

    @property
    def about(self) -> dict[str, Any]:
        return self.trained.about

    def __call__(self, volumes: np.ndarray) -> np.ndarray:
        """Answers volumes [N, X, Y, Z] on the run's grid, in RAS+, by every step that `predict` takes; float32 [N].

        Raises: ValueError for volumes of another shape, or with NaN; InputError if the frozen trunk's file is gone.
        """
        projection = settings.projection_of(self.trained.config)
        checked = _checked(volumes, projection.grid.shape, "volumes")
        placed = [Volume(volume, projection.grid.affine) for volume in checked]
        return self._answer(
            [project_volume(Path(f"volume {place}"), volume, projection) for place, volume in enumerate(placed)]
        )

    def of_images(self, images: np.ndarray) -> np.ndarray:
        """Answers images [N, H, W], or views [N, V, H, W], as `dynjax.project` makes them by the run's config.

        They are not scaled yet. Raises: ValueError as a call, and for a network that takes whole volumes.
        """
        projection = settings.projection_of(self.trained.config)
        if projection.name in WHOLE:
            raise ValueError(f"a network with projection.name={projection.name!r} takes volumes, not images")
        shape = image_shape(projection.grid.shape, projection.axis, projection.name, projection.slabs)
        return self._answer(list(_checked(images, shape, "images")))

    def _answer(self, projected: list[np.ndarray]) -> np.ndarray:
        if not projected:
            return np.empty(0, np.float32)
        inputs = [network_input(self.trained.config, self.trained.trunk, each) for each in projected]
        return np.asarray(self.trained.probability(np.stack(inputs)), np.float32)


class Run:
    """Holds a run, or what there is of one. Each part is read when it is first asked for; `lacks` says what is missing.

    workdir: its folder, for which a run may also be given. A part that is missing or damaged raises InputError, which
    says how to make it.
    """

    def __init__(self, workdir: Path):
        self.workdir = workdir
        self._files = Workdir(workdir)

    @functools.cached_property
    def config(self) -> FrozenConfigDict:
        """The config, resolved; of an external evaluation that of the networks, with the other cohort's table."""
        return self._files.read_config()

    @functools.cached_property
    def results(self) -> dict[str, Any]:
        """Returns what results.json says, such as results['metrics']['roc_auc']['value']."""
        return read_results(self._files.results)

    @functools.cached_property
    def predictions(self) -> Predictions:
        """Returns what predictions.csv says, as arrays; of a repeated run those of all repeats, one after the other."""
        rows = [(*row, repeat) for repeat, run in enumerate(self._repeats) for row in read_predictions(run.predictions)]
        return Predictions(*map(np.array, zip(*rows)))

    @functools.cached_property
    def folds(self) -> Folds:
        """Returns what folds.csv says, as arrays; of a repeated run those of all repeats, one after the other."""
        rows = [row for repeat, run in enumerate(self._repeats) for row in _read_folds(run, repeat)]
        return Folds(*map(np.array, zip(*rows)))

    @functools.cached_property
    def networks(self) -> dict[Any, Network]:
        """The networks by fold, or by (repeat, fold) in a repeated run: functions from volumes to probabilities.

        They are those of the folds that are trained to their end and, of an external evaluation, those of the run that
        answered it. Raises: InputError if there is none, such as of a baseline.
        """
        source = self._files.networks_from()
        runs = source.repeats()
        found = load_networks(source)
        places = [_place(trained, runs) for trained in found]
        return {place if runs != [source] else place[1]: Network(own) for place, own in zip(places, found)}

    @property
    def lacks(self) -> list[str]:
        """Says, a sentence each, what the run does not have, and what of it cannot be read."""
        return list(_lacking(self._files))

    def read_scan(self, path: str | Path) -> np.ndarray:
        """Reads a scan as the networks take it, float32 [X, Y, Z] on the run's grid. Raises: InputError if refused."""
        return load_volume(path, *settings.projection_of(self.config).reading).data

    def __repr__(self) -> str:
        try:
            standing = read_standing(self._files, 0, self.config.cohort.labels)
            about = [f"Run of {self.config.model.name} in {self.workdir}", *standing.lines()]
        except InputError:  # `lacks` says which file cannot be read
            about = [f"Run in {self.workdir}"]
        return "\n".join([*about, *self.lacks])

    def __fspath__(self) -> str:
        return str(self.workdir)

    @property
    def _repeats(self) -> list[Workdir]:
        return self._files.repeats()


def load_run(workdir: str | Path) -> Run:
    """Opens a run's folder: finished, begun, repeated, or another run's scores on an external cohort.

    Returns: a run with config, results, predictions, folds, networks and, in words, what it lacks.
    Raises: InputError if the folder holds no run.

    >>> import dynjax
    >>> run = dynjax.load_run("runs/mine")
    >>> run.predictions.probabilities[run.predictions.labels == "AD"].shape
    (6,)
    >>> run.networks[0](run.read_scan("scan.nii.gz")[None]).shape
    (1,)
    """
    found = Workdir(workdir)
    found.check_is_run()
    return Run(found.path)


def _place(trained: Trained, runs: list[Workdir]) -> tuple[int, int]:
    """Returns a network's repeat and fold."""
    assert trained.path is not None
    repeat = next(number for number, run in enumerate(runs) if run.path in trained.path.parents)
    return repeat, trained.about["fold"]


def _read_folds(run: Workdir, repeat: int) -> list[tuple[str, str, int, int]]:
    try:
        return read_csv(run.folds, FOLD_COLUMNS, lambda subject, session, fold: (subject, session, int(fold), repeat))
    except OSError:
        raise InputError(f"{run.folds}: no such file; run train on this workdir first") from None


def _lacking(workdir: Workdir) -> Iterator[str]:
    for part in (_without_networks, _without_results):
        try:
            yield from part(workdir)
        except InputError as error:
            yield str(error)


def _without_networks(workdir: Workdir) -> Iterator[str]:
    config, source = workdir.read_config(), workdir.networks_from()
    if config.model.name in BASELINES:
        yield f"{config.model.name} is a baseline, which keeps no networks"
    elif workdir.external.exists() and not os.path.exists(source.path):
        yield f"its networks are gone: {source} held them"
    elif workdir.external.exists():
        yield f"its networks are those of {source}"
    else:
        yield from _untrained(workdir)


def _without_results(workdir: Workdir) -> Iterator[str]:
    if not workdir.results.exists():
        yield "no results.json and predictions.csv yet: train it to its end, or evaluate it"
        return
    read_results(workdir.results)


def _untrained(workdir: Workdir) -> Iterator[str]:
    config = workdir.read_config()
    expected = [workdir.repeat(n) for n in range(config.train.repeats)] if config.train.repeats > 1 else [workdir]
    for run in expected:
        left = [fold for fold in range(config.train.folds) if scored_checkpoint(run, fold) is None]
        of = "" if run is workdir else f" of {run.path.name}"
        if left:
            yield f"{name_folds(left)}{of} not trained to the end"


def _checked(values: np.ndarray, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Returns arrays [N, *shape] as float32. Raises: ValueError for another shape, NaN or infinite numbers."""
    checked = np.asarray(values, np.float32)
    if checked.ndim != len(shape) + 1 or checked.shape[1:] != tuple(shape):
        wanted = ", ".join(map(str, ("N", *shape)))
        raise ValueError(f"the run takes {what} of the shape [{wanted}], not {list(checked.shape)}")
    if lost := np.flatnonzero(~np.isfinite(checked).all(tuple(range(1, checked.ndim)))).tolist():
        raise ValueError(f"{what} {', '.join(map(str, lost))}: NaN or infinite numbers")
    return checked
