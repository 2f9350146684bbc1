"""Converts torch's state dicts to our parameters, keeps them as .npz and checks every name and shape."""

import functools
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.errors import InputError, listed
from dynjax.files import atomic_path
from dynjax.models.build import Network, Tree, build_trunk, named_leaves
from dynjax.pretrained.names import is_dropped, torch_name

LAYOUT = 1  # raise it whenever a network's names or shapes change, so that an older file is refused, not misread


class Weights(NamedTuple):
    """A trunk's parameters and batch statistics, and the name and sha256 of the file they were converted from."""

    params: Tree
    batch_stats: Tree
    source: str
    sha256: str


def convert_state_dict(model: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Converts a torchvision state dict to our float32 arrays by name; transposes convolutions OIHW -> HWIO.

    Raises: InputError that lists every key that is unknown, missing or of another shape.
    """
    arrays, problems = {}, []
    known: set[str] = set()
    for path, leaf in _leaves(model).items():
        name = torch_name(model, path.split("/", 2)[2])  # without `params/trunk/`
        known.add(name)
        if name not in state:
            problems.append(f"missing: {name}")
            continue
        array = np.asarray(state[name], np.float32)
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        if array.shape != leaf.shape:
            was, needed = state[name].shape, leaf.shape
            problems.append(f"shape: {name} is {was}, which gives {array.shape}; {model} needs {needed}")
        arrays[path] = array
    problems += [f"unknown: {name}" for name in state if name not in known and not is_dropped(model, name)]
    if problems:
        raise InputError(f"not a state dict of {model}:\n{listed(problems)}")
    return arrays


def write_weights(path: Path, model: str, state: dict[str, np.ndarray], source: str, sha256: str) -> None:
    """Converts a state dict and writes it to `path` atomically."""
    _write(path, model, convert_state_dict(model, state), source, sha256)


def save_weights(path: Path, model: str, weights: Weights) -> None:
    """Writes weights to `path` atomically, as `read_weights` reads them."""
    arrays = {name: np.asarray(leaf) for name, leaf in _named(weights).items()}
    _write(path, model, arrays, weights.source, weights.sha256)


def digest_of(weights: Weights) -> str:
    """Returns the sha256 of the weights' names, shapes and numbers."""
    digest = hashlib.sha256()
    for name, leaf in _named(weights).items():
        digest.update(json.dumps([name, *leaf.shape]).encode())
        digest.update(np.ascontiguousarray(leaf, np.float32).data)
    return digest.hexdigest()


def _named(weights: Weights) -> dict[str, Any]:
    return named_leaves({"params": {"trunk": weights.params}, "batch_stats": {"trunk": weights.batch_stats}})


def _write(path: Path, model: str, arrays: dict[str, np.ndarray], source: str, sha256: str) -> None:
    about = {"layout": LAYOUT, "model": model, "source": source, "sha256": sha256}
    named: dict[str, Any] = {"about": np.array(json.dumps(about)), **arrays}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **named)


def read_weights(path: Path, model: str) -> Weights:
    """Reads a converted file. Raises: InputError with the path and every difference from `model`."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a converted weight file ({error}); make it again: {_command(model)}") from None
    if (about.get("layout"), about.get("model")) != (LAYOUT, model):
        kind = f"{about.get('model')}, layout {about.get('layout')}"
        raise InputError(f"{path}: holds {kind}, not {model}, layout {LAYOUT}; make it again: {_command(model)}")
    leaves = _leaves(model)
    problems = [f"unknown: {name}" for name in arrays if name not in leaves]
    problems += [f"missing: {name}" for name in leaves if name not in arrays]
    problems += [
        f"shape: {name} is {arrays[name].shape}, {model} needs {leaf.shape}"
        for name, leaf in leaves.items()
        if name in arrays and arrays[name].shape != leaf.shape
    ]
    if problems:
        raise InputError(f"{path}: not the weights of {model}:\n{listed(problems)}")
    tree = jax.tree.unflatten(jax.tree.structure(_abstract(model)), [arrays[name] for name in leaves])
    return Weights(tree["params"]["trunk"], tree["batch_stats"]["trunk"], about["source"], about["sha256"])


def make_initialiser(network: Network, weights: Weights | None) -> Callable[[jax.Array], tuple[Tree, Tree]]:
    """Returns a function of a key that gives the network's initial parameters and batch statistics.

    They are random, except those of the trunk if there are `weights`; those are never computed first. A trunk that is
    cut short takes only the weights of the layers that it has.
    """
    if weights is None:
        return jax.jit(network.init)
    trunk, trunk_stats = restrict(weights, *jax.eval_shape(network.init, jax.random.key(0)))

    @jax.jit
    def around_the_trunk(key: jax.Array) -> list[Tree]:  # XLA drops the trunk's random values, which are not returned
        return [_without_trunk(tree) for tree in network.init(key)]

    def initialise(key: jax.Array) -> tuple[Tree, Tree]:
        # New arrays each time, because training donates the memory of its state.
        own_params, own_stats = jax.tree.map(jnp.array, (trunk, trunk_stats))
        params, stats = around_the_trunk(key)
        return params | {"trunk": own_params}, stats | ({"trunk": own_stats} if own_stats else {})

    return initialise


def _without_trunk(tree: Tree) -> Tree:
    return {name: part for name, part in tree.items() if name != "trunk"}


def restrict(weights: Weights, params: Tree, batch_stats: Tree) -> list[Tree]:
    """Returns the weights' parameters and batch statistics that the trunk of a network with these shapes has."""
    given = jax.tree.map(np.asarray, (weights.params, weights.batch_stats))
    return [_restricted(tree, part.get("trunk", {})) for tree, part in zip(given, (params, batch_stats))]


def _restricted(tree: Tree, like: Tree) -> Tree:
    """Returns the entries of `tree` that `like` also has."""
    return {key: _restricted(tree[key], part) if isinstance(part, dict) else tree[key] for key, part in like.items()}


@functools.cache
def _abstract(model: str) -> dict:
    """Returns the shapes of everything that a converted file of `model` holds, as nested dicts."""
    params, batch_stats = jax.eval_shape(lambda: build_trunk(model).init(jax.random.key(0)))
    return {"params": params, "batch_stats": batch_stats or {"trunk": {}}}


def _leaves(model: str) -> dict:
    """Returns the shapes by name, such as `params/trunk/convs/0/kernel`."""
    return named_leaves(_abstract(model))


def _command(model: str) -> str:
    return f"python weights/convert_torchvision.py {model}"
