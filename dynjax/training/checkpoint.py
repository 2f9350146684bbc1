"""Checkpoints of one fold, an epoch each: the network apart from the optimizer, with a digest of every file.

fold_0/epoch_0020/ is Orbax's, fold_0/epoch_0020.json describes it and is written after it: a checkpoint without its
description is one whose saving was cut short, and counts as none. Until a fold is finished the one before is kept, for
the case that the newest is damaged. A fold that was stopped within epoch 21 has epoch_0020_step_0007. This is the only
file that imports orbax.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from dynjax.errors import InputError
from dynjax.files import sha256_of, write_text
from dynjax.models.build import Tree, named_leaves
from dynjax.training import processes
from dynjax.training.step import TrainState

SCHEMA = 1
NAME = re.compile(r"epoch_(\d+)(?:_step_(\d+))?\.json")


class Damaged(InputError):
    """A checkpoint that is not as it was written; `reason` says so without the remedy."""

    def __init__(self, file: Path, path: Path, what: str = ""):
        self.reason = f"{file}: damaged{what}"
        super().__init__(f"{self.reason}; delete {path}* and run the same train command to train this fold again")


def save(folder: Path, state: TrainState, epoch: int, about: dict[str, Any], keep_optimizer: bool = True) -> Path:
    """Writes a checkpoint and its description, then removes the fold's older checkpoints. Returns its path.

    Of several processes the first one writes, but Orbax wants all of them to call.

    Args:
      folder: that of the fold.
      epoch: how many epochs the state has been trained for.
      about: what a reader needs besides arrays (the config, fold, seconds), kept as JSON; 'step', how many steps of the
        next epoch the state has been trained for, is part of the name.
      keep_optimizer: False once training is over, which makes the checkpoint a third of the size, and the only one.
    """
    step = f"_step_{about['step']:04d}" if about.get("step") else ""
    path = folder.absolute() / f"epoch_{epoch:04d}{step}"
    parts = {"network": named_leaves({"params": state.params, "batch_stats": state.batch_stats})}
    if keep_optimizer:
        parts["optimizer"] = named_leaves({"step": state.step, "opt_state": state.opt_state})
    if processes.is_first():
        _description(path).unlink(missing_ok=True)  # of a damaged one, whose epochs were trained again
        if path.exists():
            shutil.rmtree(path)  # left without its description by a kill
    processes.any_of(False)  # all of them are here
    ocp.save_checkpointables(path, parts)
    if processes.is_first():
        _describe(path, parts, about | {"epoch": epoch}, keep_before=keep_optimizer)
    return path


def _describe(path: Path, parts: dict[str, dict[str, jax.Array]], about: dict[str, Any], keep_before: bool) -> None:
    before = latest(path.parent) if keep_before else None
    arrays = {part: _shapes(named) for part, named in parts.items()}
    about = about | {"schema": SCHEMA, "arrays": arrays, "files": _digests(path)}
    write_text(_description(path), json.dumps({"sha256": _digest(about), "about": about}) + "\n")
    _remove_others(path.parent, {path.name, before.name if before else ""})


def tidy(folder: Path) -> None:
    """Removes what a kill left of a fold that is finished: all but its newest checkpoint."""
    if newest := latest(folder):
        _remove_others(folder, {newest.name})


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Descriptions first: a folder without one counts as none."""
    others = [path for path in folder.iterdir() if path.name.removesuffix(".json") not in kept]
    for other in others:
        if NAME.fullmatch(other.name):
            other.unlink(missing_ok=True)
    for other in others:
        if other.is_dir():
            shutil.rmtree(other, ignore_errors=True)


def saved(folder: Path) -> list[Path]:
    """A fold's complete checkpoints, the newest first."""
    found = [match for path in folder.glob("*.json") if (match := NAME.fullmatch(path.name))]
    found.sort(key=lambda match: (int(match[1]), int(match[2] or 0)), reverse=True)
    return [folder / Path(match[0]).stem for match in found]


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint of a fold, None before the first."""
    return next(iter(saved(folder)), None)


def epochs_done(folder: Path) -> int:
    """By its newest complete checkpoint; 0 before the first."""
    newest = latest(folder)
    return int(newest.name.split("_")[1]) if newest else 0


def read_about(path: Path) -> dict[str, Any]:
    """What `save` was told, with schema, epoch and files. Raises: Damaged, if the description is."""
    try:
        written = json.loads(_description(path).read_text(encoding="utf-8"))
        about = written["about"]
        whole = written["sha256"] == _digest(about)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise Damaged(_description(path), path)
    if about["schema"] != SCHEMA:
        raise InputError(f"{path}: a checkpoint of schema {about['schema']}; this version of dynjax reads {SCHEMA}")
    return about


def load_network(path: Path, params: Tree, batch_stats: Tree) -> tuple[Tree, Tree]:
    """Reads params and batch statistics alone; the arguments give their shapes. Raises: Damaged."""
    restored = _load(path, "network", {"params": params, "batch_stats": batch_stats})
    return restored["params"], restored["batch_stats"]


def load_state(path: Path, like: TrainState) -> TrainState:
    """Reads all that training needs to go on; `like` gives the shapes. Raises: Damaged."""
    params, batch_stats = load_network(path, like.params, like.batch_stats)
    optimizer = _load(path, "optimizer", {"step": like.step, "opt_state": like.opt_state})
    return TrainState(optimizer["step"], params, batch_stats, optimizer["opt_state"])


def verify_state(path: Path, like: TrainState) -> None:
    """Reads nothing but whether `load_state` can. Raises: Damaged."""
    _verify(path, "network", {"params": like.params, "batch_stats": like.batch_stats})
    _verify(path, "optimizer", {"step": like.step, "opt_state": like.opt_state})


def _load(path: Path, part: str, like: Any) -> Any:
    """Reads one part of a checkpoint after its files are known to be as they were written."""
    _verify(path, part, like)
    abstract = {name: np.empty(leaf.shape, leaf.dtype) for name, leaf in named_leaves(like).items()}
    with _alone():
        arrays = ocp.load_checkpointables(path.absolute(), {part: abstract})[part]
    return jax.tree.unflatten(jax.tree.structure(like), [jnp.asarray(arrays[name]) for name in abstract])


def _alone() -> ocp.Context:
    """In which Orbax reads without waiting for the other processes of a run."""
    own = jax.process_index()
    options = {"primary_host": own, "active_processes": {own}, "barrier_sync_key_prefix": f"process_{own}"}
    return ocp.Context(multiprocessing_options=ocp.options.MultiprocessingOptions(**options))


def _verify(path: Path, part: str, like: Any) -> None:
    """Orbax itself restores flipped bits without a word, and answers worse damage with errors of many kinds."""
    about = read_about(path)
    if about["arrays"].get(part) != _shapes(named_leaves(like)):
        raise InputError(f"{path}: its {part} has other arrays than this config's network")
    expected = {name: digest for name, digest in about["files"].items() if _is_needed(name, part)}
    found = _digests(path, part)
    if expected != found:
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise Damaged(path, path, f": {', '.join(wrong[:3])} changed or missing")


def _shapes(named: dict[str, jax.Array]) -> dict[str, list]:
    return {name: [str(leaf.dtype), *leaf.shape] for name, leaf in named.items()}


def _is_needed(name: str, part: str) -> bool:
    """Whether a file belongs to the part or, lying at the top, to all parts."""
    return "/" not in name or name.startswith(f"{part}/")


def _digests(path: Path, part: str = "") -> dict[str, str]:
    """Of all files, or of those that belong to the part."""
    files = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    return {name: sha256_of(file) for name, file in files.items() if not part or _is_needed(name, part)}


def _digest(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _description(path: Path) -> Path:
    return path.with_suffix(".json")
