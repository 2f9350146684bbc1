"""Finds a config's cohort, folds and images, with which every verb begins."""

import importlib.util
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.cohort.folds import make_folds, read_folds, write_folds
from dynjax.cohort.scan import Cohort, shuffle_labels
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError, UsageError
from dynjax.files import lock
from dynjax.frozen.store import scan_features
from dynjax.frozen.trunk import FrozenTrunk
from dynjax.memory import usable_memory
from dynjax.projection.project import WHOLE
from dynjax.projection.store import fill_store, project_cohort, stored_image
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.inputs import scale, seeing_of
from dynjax.run.refused import RefusedScans, check_same, keep_refused
from dynjax.run.workdir import Workdir
from dynjax.training.examples import Images
from dynjax.volumes.digests import content_digest
from dynjax.work import cluster
from dynjax.work.parallel import map_scans

NO_TABLE = "phantoms, for the config has no cohort.table; for your own scans train with --config.cohort.table=scans.csv"


class Data(NamedTuple):
    """A cohort of N scans: targets [N] of 0 and 1, folds [N] and the sha256 of each file. Images are read on demand.

    trunk: what sees the images first, where it stands still.
    """

    config: FrozenConfigDict
    cohort: Cohort
    targets: np.ndarray
    folds: np.ndarray
    digests: list[str]
    trunk: FrozenTrunk | None = None

    def images(self, chosen: np.ndarray, dtype: str = "float32") -> Images:
        """Returns the network's inputs of the n scans chosen, bool [N], in their order.

        They are images [n, H, W, C], views [n, V, H, W, C], volumes [n, X, Y, Z, 1] or a frozen trunk's features.

        Projects the scans, or reads their images from the store, and scales them; opens no other scan. With
        `train.stream`, or where volumes do not fit into memory, it fills the store and reads each volume on demand.
        Raises: UsageError if volumes neither fit nor can be streamed; InputError if a file is refused or has changed.
        """
        indices, projection = np.flatnonzero(chosen), settings.projection_of(self.config)
        paths = [Path(self.cohort.scans[index].path) for index in indices]
        if self.trunk is not None:
            features, digests = scan_features(paths, seeing_of(self.config, self.trunk))
            self._check_unchanged(indices, digests)
            return features.astype(dtype, copy=False)
        is_streamed = _is_streamed(self.config, len(paths))
        if is_streamed or (cluster.is_there() and projection.name not in WHOLE):  # its workers share the store
            digests = fill_store(paths, projection)
        if not is_streamed:
            images, digests = project_cohort(paths, projection)
        self._check_unchanged(indices, digests)
        if is_streamed:
            return Streamed(self.config, paths, digests, dtype)
        return scale(self.config, images).astype(dtype, copy=False)

    def _check_unchanged(self, indices: np.ndarray, digests: list[str]) -> None:
        for index, now in zip(indices, digests):
            if self.digests[index] != now:
                path = self.cohort.scans[index].path
                raise InputError(f"{path}: has changed while it was used; run the same command again")

    def check_trained_on(self, fold: int, about: Mapping[str, Any], path: Path | None) -> None:
        """Raises InputError if a fold's network, whose checkpoint says `about`, was trained on other files."""
        if about["scans"] != self.digests_of(fold):
            raise InputError(f"{path}: was trained on scans whose files have changed since")

    def digests_of(self, fold: int) -> dict[str, list[str]]:
        """Returns the digests of a fold's training and test scans, by which its checkpoints recognise them."""
        pairs = list(zip(self.folds, self.digests))
        return {"train": [d for f, d in pairs if f != fold], "test": [d for f, d in pairs if f == fold]}


class Streamed:
    """Volumes [X, Y, Z, 1] that are read from the store on demand, one by one."""

    def __init__(self, config: FrozenConfigDict, paths: list[Path], digests: list[str], dtype: str):
        self.config, self.paths, self.digests, self.dtype = config, paths, digests, dtype

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        volume = stored_image(self.paths[index], self.digests[index], settings.projection_of(self.config))
        return scale(self.config, volume[None])[0].astype(self.dtype, copy=False)


def find_cohort(config: FrozenConfigDict) -> Cohort:
    """Reads the config's scan table or, if it names none, the phantom cohort, which is made if need be."""
    cohort = _read_cohort(config)
    return shuffle_labels(cohort, config.seed) if config.cohort.shuffle else cohort


def _read_cohort(config: FrozenConfigDict) -> Cohort:
    cohort, phantom = config.cohort, config.cohort.phantom
    options = (cohort.labels, cohort.visit, cohort.description, cohort.label_column)
    if cohort.table:
        return load_cohort(cohort.table, *options)
    from dynjax.cohort.phantom.download import (
        phantom_cohort,
    )  # imports scipy's filters and nilearn, which only phantoms need

    folder = phantom_cohort(phantom.n, phantom.seed, phantom.skull, tuple(cohort.labels))
    return load_cohort(folder, *options)._replace(hints=(NO_TABLE,))


def check_columns(cohort: Cohort, names: Iterable[str]) -> None:
    """Raises UsageError for a column of --subgroups that the scan table lacks or that is empty."""
    for name in names:
        if not any(scan.column(name) for scan in cohort.scans):
            raise UsageError(f"--subgroups={name}: {cohort.source} has no such column, or nothing in it")


def find_folds(config: FrozenConfigDict, workdir: Workdir, cohort: Cohort) -> np.ndarray:
    """Returns the folds written in the workdir, or makes them from the seed if none are."""
    if workdir.folds.exists():
        return read_folds(workdir.folds, cohort, config.train.folds)
    return make_folds(cohort, config.train.folds, config.seed)


def keep_folds(workdir: Workdir, cohort: Cohort, folds: np.ndarray, refused: RefusedScans | None = None) -> np.ndarray:
    """Writes the folds, and the refused scans if given, into the workdir unless folds are there; returns those there.

    Called before anything is trained: of several jobs, one makes the folds of all. Raises: InputError if other scans
    were refused then, or if the folds are not of the cohort's scans.
    """
    with lock(workdir.path / ".folds.lock"):
        if refused is not None:
            check_same(workdir, refused)
            keep_refused(workdir, refused)
        if not workdir.folds.exists():
            write_folds(workdir.folds, cohort, folds)
    return read_folds(workdir.folds, cohort, int(folds.max()) + 1)


def load_data(config: FrozenConfigDict, cohort: Cohort, folds: np.ndarray, trunk: FrozenTrunk | None = None) -> Data:
    """Computes each scan's digest, by which its image is found. Raises: InputError if a scan is missing."""
    digests = map_scans(content_digest, [Path(scan.path) for scan in cohort.scans], "reading scans", travels=True)
    return Data(config, cohort, np.array(cohort.targets, np.int32), folds, digests, trunk)


def _is_streamed(config: FrozenConfigDict, count: int) -> bool:
    """Decides whether volumes are read on demand. Raises: UsageError if they must be and cannot."""
    whole, processes = config.projection.name in WHOLE, jax.process_count()
    size, memory = count * math.prod(config.volume.grid) * 4, usable_memory()
    large = whole and size > memory / 2  # scaling holds a second copy
    sizes = f"{count} volumes take {size / 2**30:.0f} GiB of memory, of {memory / 2**30:.0f}"
    if large and not settings.can_stream(config):
        raise UsageError(f"{sizes}, and {config.model.name} needs all of them in memory")
    if large and processes > 1 and not config.train.stream:  # all processes must decide the same
        raise UsageError(f"{sizes}: --config.train.stream=True reads them as they are needed")
    if large and not config.train.stream:
        print_text(f"{sizes}: they are read from the store as they are needed")
    if (large or config.train.stream) and importlib.util.find_spec("grain") is None:
        raise UsageError("reading volumes as they are needed takes grain: pip install 'dynjax[stream]'")
    return large or config.train.stream
