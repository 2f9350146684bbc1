"""Writes and reads the checkpoints of a fold, with the network apart from the optimizer and a digest of every file.

Orbax writes fold_0/epoch_0020/. Its description, fold_0/epoch_0020.json, is written afterwards: a checkpoint without
one was cut short while it was saved and is ignored. Until a fold is finished, the checkpoint before the newest is kept
too, in case the newest is damaged. A fold stopped within epoch 21 has epoch_0020_step_0007.

This is the only file that imports orbax.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from dynjax.errors import InputError
from dynjax.files import is_utf8, sha256_of, write_text
from dynjax.models.build import Tree, named_leaves
from dynjax.training import processes
from dynjax.training.step import TrainState

SCHEMA = 1
NAME = re.compile(r"epoch_(\d+)(?:_step_(\d+))?\.json")
OS_ERROR = re.compile(r"(?:os_error_code=|OS error )\W*(\d+)")  # in TensorStore's errors, newer and older


class Damaged(InputError):
    """A checkpoint that differs from what was written; `reason` is the message without the remedy."""

    def __init__(self, file: Path, path: Path, what: str = ""):
        self.reason = f"{file}: damaged{what}"
        super().__init__(f"{self.reason}; delete {path}* and run the same train command to train this fold again")


def save(folder: Path, state: TrainState, epoch: int, about: dict[str, Any], keep_optimizer: bool = True) -> Path:
    """Writes a checkpoint and its description, then removes the fold's older checkpoints. Returns its path.

    With several processes only the first writes, but all must call, because Orbax synchronises them.

    Args:
      folder: the fold's folder.
      epoch: how many epochs the state has been trained for.
      about: what a reader needs besides the arrays (the config, fold, seconds), stored as JSON; its 'step', how many
        steps of the next epoch the state has been trained for, becomes part of the name.
      keep_optimizer: False once training is over; the checkpoint is then a third of the size, and the only one kept.
    """
    step = f"_step_{about['step']:04d}" if about.get("step") else ""
    path = folder.absolute() / f"epoch_{epoch:04d}{step}"
    parts = {"network": named_leaves({"params": state.params, "batch_stats": state.batch_stats})}
    if keep_optimizer:
        parts["optimizer"] = named_leaves({"step": state.step, "opt_state": state.opt_state})
    if processes.is_first():
        description_of(path).unlink(missing_ok=True)  # of a damaged checkpoint whose epochs were trained again
        if path.exists():
            shutil.rmtree(path)  # a kill left it without its description
    processes.any_of(False)  # a barrier: all wait until the first has removed these
    with _full_disk_in_words(path):
        ocp.save_checkpointables(path, parts)
    if processes.is_first():
        _describe(path, parts, about | {"epoch": epoch}, keep_before=keep_optimizer)
    return path


@contextlib.contextmanager
def _full_disk_in_words(path: Path) -> Iterator[None]:
    """Turns TensorStore's error, a ValueError whatever it is, into the OSError that it tells of.

    What was written is removed, so that a full disk has room for what the user does next.
    """
    try:
        yield
    except ValueError as error:
        found = OS_ERROR.search(str(error))
        if not found:
            raise
        for left in path.parent.glob(f"{path.name}.*tmp*"):
            shutil.rmtree(left, ignore_errors=True)
        code = int(found[1])
        raise OSError(code, os.strerror(code), str(path)) from None


def _describe(path: Path, parts: dict[str, dict[str, jax.Array]], about: dict[str, Any], keep_before: bool) -> None:
    """Writes a checkpoint's description, then removes the older checkpoints, except one if `keep_before`."""
    before = latest(path.parent) if keep_before else None
    arrays = {part: _shapes(named) for part, named in parts.items()}
    about = about | {"schema": SCHEMA, "arrays": arrays, "files": _digests(path)}
    write_text(description_of(path), json.dumps({"sha256": _digest(about), "about": about}) + "\n")
    _remove_others(path.parent, {path.name, before.name if before else ""})


def tidy(folder: Path) -> None:
    """Removes all but the newest checkpoint of a finished fold, in case a kill left others."""
    newest = latest(folder)
    if newest:
        _remove_others(folder, {newest.name})


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Removes all checkpoints but those named; descriptions first, because a folder without one is ignored."""
    others = [path for path in folder.iterdir() if path.name.removesuffix(".json") not in kept]
    for other in others:
        if NAME.fullmatch(other.name):
            other.unlink(missing_ok=True)
    for other in others:
        if other.is_dir():
            shutil.rmtree(other, ignore_errors=True)


def saved(folder: Path) -> list[Path]:
    """Returns the paths of a fold's complete checkpoints, the newest first."""
    found = []
    for path in folder.glob("*.json"):
        match = NAME.fullmatch(path.name)
        if match:
            found.append((int(match[1]), int(match[2] or 0), path.with_suffix("")))  # epoch, step
    return [path for *_, path in sorted(found, reverse=True)]


def latest(folder: Path) -> Path | None:
    """Returns the path of a fold's newest complete checkpoint; None before the first."""
    return next(iter(saved(folder)), None)


def epochs_done(folder: Path) -> int:
    """Returns how many epochs a fold is trained for in its newest complete checkpoint; 0 before the first."""
    newest = latest(folder)
    return int(newest.name.split("_")[1]) if newest else 0


def read_about(path: Path) -> dict[str, Any]:
    """Reads the `about` that `save` was given, with schema, epoch, arrays and files added.

    Raises: Damaged if the description is; InputError if another version's schema wrote it.
    """
    try:
        written = json.loads(description_of(path).read_text(encoding="utf-8"))
        about = written["about"]
        whole = written["sha256"] == _digest(about)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise Damaged(description_of(path), path)
    if about["schema"] != SCHEMA:
        raise InputError(f"{path}: has checkpoint schema {about['schema']}; this version of dynjax reads {SCHEMA}")
    return about


def load_network(path: Path, params: Tree, batch_stats: Tree) -> tuple[Tree, Tree]:
    """Reads only parameters and batch statistics; the arguments give their shapes. Raises: Damaged."""
    restored = _load(path, "network", {"params": params, "batch_stats": batch_stats})
    return restored["params"], restored["batch_stats"]


def load_state(path: Path, like: TrainState) -> TrainState:
    """Reads everything that training needs to continue; `like` gives the shapes. Raises: Damaged."""
    params, batch_stats = load_network(path, like.params, like.batch_stats)
    optimizer = _load(path, "optimizer", {"step": like.step, "opt_state": like.opt_state})
    return TrainState(optimizer["step"], params, batch_stats, optimizer["opt_state"])


def verify_state(path: Path, like: TrainState) -> None:
    """Checks that `load_state` can read a checkpoint, without loading it. Raises: Damaged."""
    _verify(path, "network", {"params": like.params, "batch_stats": like.batch_stats})
    _verify(path, "optimizer", {"step": like.step, "opt_state": like.opt_state})


def _load(path: Path, part: str, like: Any) -> Any:
    """Verifies one part of a checkpoint, then reads it."""
    _verify(path, part, like)
    abstract = {name: np.empty(leaf.shape, leaf.dtype) for name, leaf in named_leaves(like).items()}
    if not is_utf8(path):
        raise InputError(f"{path}: cannot be read, for its name is not UTF-8; rename the folder or copy the run")
    with _alone():
        arrays = ocp.load_checkpointables(path.absolute(), {part: abstract})[part]
    return jax.tree.unflatten(jax.tree.structure(like), [jnp.asarray(arrays[name]) for name in abstract])


def _alone() -> ocp.Context:
    """Returns a context in which Orbax reads without waiting for the other processes of a run."""
    own = jax.process_index()
    options = {"primary_host": own, "active_processes": {own}, "barrier_sync_key_prefix": f"process_{own}"}
    return ocp.Context(multiprocessing_options=ocp.options.MultiprocessingOptions(**options))


def _verify(path: Path, part: str, like: Any) -> None:
    """Checks the shapes and digests of one part of a checkpoint.

    Orbax restores flipped bits silently and reports worse damage by many kinds of error.

    Raises: Damaged; InputError if the arrays are those of another network.
    """
    about = read_about(path)
    if about["arrays"].get(part) != _shapes(named_leaves(like)):
        raise InputError(f"{path}: its {part} has other arrays than this config's network")
    expected = {name: digest for name, digest in about["files"].items() if _is_needed(name, part)}
    found = _digests(path, part)
    if expected != found:
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise Damaged(path, path, f": {', '.join(wrong[:3])} changed or missing")


def _shapes(named: dict[str, jax.Array]) -> dict[str, list]:
    """Returns [dtype, *shape] of each array, as JSON stores it."""
    return {name: [str(leaf.dtype), *leaf.shape] for name, leaf in named.items()}


def _is_needed(name: str, part: str) -> bool:
    """Whether a file belongs to the part or, at the top level, to all parts."""
    return "/" not in name or name.startswith(f"{part}/")


def _digests(path: Path, part: str = "") -> dict[str, str]:
    """Returns the sha256 of every file of a checkpoint, or of those that one part needs."""
    files = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    return {name: sha256_of(file) for name, file in files.items() if not part or _is_needed(name, part)}


def _digest(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def description_of(path: Path) -> Path:
    """Returns the file that describes a checkpoint, with the digests of all its files."""
    return path.with_suffix(".json")
