"""Knows a run's folder: its files, the config that it belongs to, and the processes at work in it."""

import contextlib
import difflib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ml_collections import FrozenConfigDict

from dynjax.baselines.features import BASELINES
from dynjax.errors import InputError, UsageError, listed
from dynjax.files import can_be_written, expanded, is_utf8, lock, write_text
from dynjax.report.terminal import print_text
from dynjax.run import settings


class Workdir:
    """The files of a run's folder, on whose names users' scripts rely."""

    def __init__(self, path: str | Path):
        self.path = expanded(path).absolute()
        self.config = self.path / "config.json"
        self.external = self.path / "external.json"  # instead of config.json, where another run's networks are scored
        self.folds = self.path / "folds.csv"
        self.trunk = self.path / "trunk.npz"  # where it stands still and checkpoints hold the head alone
        self.refused = self.path / "refused.csv"
        self.events = self.path / "events.jsonl"
        self.predictions = self.path / "predictions.csv"
        self.results = self.path / "results.json"
        self.reference = self.path / "reference"  # what is usual among the scans, by which others are judged
        self.report = self.path / "report"
        self.explanation = self.path / "explanation"  # maps of why scans were answered as they were

    def __str__(self) -> str:
        return str(self.path)

    def fold(self, number: int) -> Path:
        """Returns the folder of a fold's checkpoints."""
        return self.path / "checkpoints" / f"fold_{number}"

    def repeat(self, number: int) -> "Workdir":
        """Returns the workdir of one repeat of the cross-validation."""
        return Workdir(self.path / f"repeat_{number}")

    def repeats(self) -> list["Workdir"]:
        """Returns the workdirs of all repeats, or this one if the cross-validation is not repeated."""
        numbers = [folder.name.removeprefix("repeat_") for folder in self.path.glob("repeat_*")]
        return [self.repeat(number) for number in sorted(int(n) for n in numbers if n.isdecimal())] or [self]

    def begun_folds(self) -> list[int]:
        """Returns the numbers of the folds that have a folder of checkpoints."""
        numbers = [folder.name.removeprefix("fold_") for folder in (self.path / "checkpoints").glob("fold_*")]
        return sorted(int(number) for number in numbers if number.isdecimal())

    def selected(self, number: int) -> Path:
        """Returns the folder of a fold's checkpoint of its selected epoch."""
        return self.path / "checkpoints" / f"selected_{number}"

    def check_is_run(self, what: str = "--workdir is the folder of a trained run") -> None:
        """Raises InputError unless the folder holds a run, or what is left of one. Args: what, names what is asked."""
        if not os.path.exists(self.path):
            meant = f"; did you mean {near}?" if (near := self._nearest()) else ""
            raise InputError(f"{self}: no such folder; {what}{meant}")
        if not self.path.is_dir():
            raise InputError(f"{self}: no folder; {what}")
        files = (self.config, self.external, self.folds)
        if not any(file.exists() for file in files) and not any(run.begun_folds() for run in self.repeats()):
            raise InputError(f"{self}: holds no run, for there is no config.json; {what}")

    def _nearest(self) -> Path | None:
        """Returns the folder beside this one whose name is most like its own."""
        parent = self.path.parent
        names = [entry.name for entry in parent.iterdir() if entry.is_dir()] if _can_be_listed(parent) else []
        near = difflib.get_close_matches(self.path.name, names, n=1)
        return parent / near[0] if near else None

    def networks_from(self) -> "Workdir":
        """Returns the workdir whose networks answered these scans: another one for an external cohort."""
        return Workdir(self._read(self.external).get("run", "")) if self.external.exists() else self

    def why_no_network(self) -> str:
        """Says why the folder holds no trained network, although it holds a run."""
        if self.external.exists():
            run = self.networks_from()
            return f"{self}: holds the answers of the networks of another run, and none itself; give --workdir={run}"
        if self.config.exists() and (name := self.read_config().model.name) in BASELINES:
            return f"{self}: {name} is a baseline, which is fitted anew within each fold, and answers no other scan"
        return f"{self}: no fold is trained to the end; run train on this workdir first"

    def check(self, config: FrozenConfigDict) -> None:
        """Makes the folder if need be. Raises: UsageError if it is another config's, no workdir, or read-only."""
        if self.external.exists():
            raise UsageError(f"{self}: holds another run's scores on an external cohort; choose another --workdir")
        files = [entry for entry in self._entries() if not entry.name.startswith(".")]
        if self.config.exists():  # asked last: another process may be writing it, before any other file
            self._check_same(config)
        elif files:
            raise UsageError(f"{self}: holds files but no config.json, so it is no workdir; choose another --workdir")
        if config.model.name not in BASELINES and not is_utf8(self.path):
            raise UsageError(f"{self}: no checkpoint can be written there, for its name is not UTF-8; choose another")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self}: no folder can be made there ({error.strerror}); choose another --workdir"
            ) from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise UsageError(f"{self}: no permission to write there; choose another --workdir")

    def check_external(self, about: dict[str, Any]) -> None:
        """Raises UsageError unless the folder is new, or holds the same networks' answers to the same table."""
        if self.external.exists():
            there = self._read(self.external)
            same = settings.identity(there.get("config", {})) == settings.identity(about["config"])
            if there.get("run") != about["run"] or not same:
                raise UsageError(f"{self}: holds the scores of another run or on another table; choose another --out")
        elif (os.path.exists(self.path) and not self.path.is_dir()) or self._entries():
            raise UsageError(f"{self}: is not the folder of an external evaluation; choose another --out")
        if not can_be_written(self.external):
            raise UsageError(f"{self}: no folder can be made or written there; choose another --out")

    def _entries(self) -> list[Path]:
        return list(self.path.iterdir()) if self.path.is_dir() else []

    def claim(self, config: FrozenConfigDict) -> None:
        """Writes config.json unless it exists. Raises: UsageError as `check` does."""
        self.check(config)
        with lock(self.path / ".config.lock"):
            if not self.config.exists():
                return write_text(self.config, settings.to_json(config))
        self.check(config)

    def read_config(self) -> FrozenConfigDict:
        """Reads config.json. Raises: InputError if it is missing or cannot be used."""
        try:
            config = settings.from_dict(self._written())
            settings.check(config)
        except UsageError as error:
            raise InputError(f"{self.config}: {error}") from None
        return config

    def recipe(self) -> int | None:
        """Returns the recipe by which the run reads its scans, or None if there is no run. Raises: InputError."""
        return settings.identity(self._written())["volume.recipe"] if self.config.exists() else None

    def _written(self) -> dict[str, Any]:
        return self._read(self.external)["config"] if self.external.exists() else self._read(self.config)

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            written = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; is {self} the workdir of a run?") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: damaged: not JSON ({error})") from None
        if not isinstance(written, dict):
            raise InputError(f"{path}: damaged: not a config")
        if path == self.external and not isinstance(written.get("config"), dict):
            raise InputError(f"{path}: damaged: it has no config")
        return written

    @contextlib.contextmanager
    def lock_folds(self, numbers: Iterable[int]) -> Iterator[None]:
        """Locks folds against training by other processes; a kill releases them.

        Raises: UsageError that names the host and process that train one of them.
        """
        with contextlib.ExitStack() as held:
            for number in numbers:
                try:
                    held.enter_context(lock(self.path / f".fold {number}.lock", wait=False))
                except BlockingIOError as holder:
                    advice = "wait for its end, train other folds, or choose another --workdir"
                    raise UsageError(f"{self}: fold {number} is being trained by {holder}; {advice}") from None
            yield

    @contextlib.contextmanager
    def lock_evaluation(self) -> Iterator[None]:
        """Lets one process evaluate at a time; the others wait, and say for which one."""
        path = self.path / ".evaluation.lock"
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(lock(path, wait=False))
            except BlockingIOError as holder:
                print_text(f"waiting for {holder}, which is evaluating {self}")
                held.enter_context(lock(path))
            yield

    def _check_same(self, config: FrozenConfigDict) -> None:
        ours, theirs = settings.identity(config), settings.identity(self._written())
        absent = object()
        differing = [
            f"{key}: {theirs.get(key, '(absent)')!r} there, {ours.get(key, '(absent)')!r} here"
            for key in sorted(ours | theirs)
            if ours.get(key, absent) != theirs.get(key, absent)
        ]
        if differing:
            raise UsageError(f"{self} belongs to another config; choose another --workdir:\n{listed(differing)}")


def _can_be_listed(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
