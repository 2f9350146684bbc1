"""Checks a run's config before anything expensive starts, writes it down, and reads it back unchanged."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from dynjax.baselines.embedding import EMBEDDING
from dynjax.baselines.features import BASELINES
from dynjax.errors import UsageError, listed
from dynjax.files import expanded
from dynjax.models.build import VOLUMETRIC
from dynjax.models.classifier import Options
from dynjax.models.head import HIDDEN, JOINT, LINEAR, POOLED
from dynjax.models.trunks import TRUNKS
from dynjax.projection.dynamic import AXES
from dynjax.projection.project import TRIPLANAR, WHOLE, image_size
from dynjax.projection.store import Projection
from dynjax.run.keys import GONE, KEYS
from dynjax.volumes.grid import Grid

THINNEST = 2  # slices of a slab
NOT_FOR_SOLVED = (
    *("train.epochs", "train.batch_size", "train.learning_rate", "train.learning_rate_decay", "train.weight_decay"),
    *("train.checkpoint_every", "train.devices", "model.dropout"),
)


def check(config: ConfigDict | FrozenConfigDict) -> None:
    """Raises UsageError that lists every missing or unknown key, and every value that cannot be used."""
    flat = flatten(config)
    if problems := _wrong_keys(flat) or _wrong_values(flat):
        raise UsageError(f"this config cannot be used:\n{listed(problems)}")


def _wrong_keys(flat: dict[str, Any]) -> list[str]:
    missing = [f"{key}: missing" for key in KEYS if key not in flat]
    unknown = [key for key in flat if key not in KEYS]
    return missing + _gone(flat) + [f"{key}: there is no such key" for key in unknown if key not in GONE]


def _gone(flat: dict[str, Any]) -> list[str]:
    """Says what to do in place of each key of GONE."""
    return [f"{key}={flat[key]!r}: {advice}" for key, (_, advice) in GONE.items() if key in flat]


def _wrong_values(flat: dict[str, Any]) -> list[str]:
    problems = [f"{name}={flat[name]!r}: {key.must()}" for name, key in KEYS.items() if not key.holds(flat[name])]
    return problems or _wrong_pairs(flat)


def _wrong_pairs(flat: dict[str, Any]) -> list[str]:
    """Lists values that are valid each, but not together."""
    name, projection = flat["model.name"], flat["projection.name"]
    problems = []
    unknown = [fold for fold in flat["train.only_folds"] if fold not in range(flat["train.folds"])]
    if unknown:
        problems.append(f"train.only_folds={unknown}: folds are numbered 0 to {flat['train.folds'] - 1}")
    problems += _wrong_views(flat)
    whole = (*VOLUMETRIC, *BASELINES)  # 3D networks and baselines
    if (name in whole) != (projection == "none"):
        pair = f"model.name={name!r}, projection.name={projection!r}"
        problems.append(f"{pair}: 'none' goes with {', '.join(whole)} and with no other")
    elif name in VOLUMETRIC and min(map(VOLUMETRIC[name].map_size, flat["volume.grid"])) < 1:
        problems.append(f"volume.grid={flat['volume.grid']!r}: too small for model.name={name!r}")
    if flat["train.stream"] and not _can_stream(name, projection):
        problems.append(f"train.stream=True, model.name={name!r}: takes no volumes, or needs all of them in memory")
    if name in whole and flat["model.pretrained"] != "none":
        problems.append(f"model.pretrained={flat['model.pretrained']!r}: there are no weights for {name}, choose none")
    if flat["cohort.shuffle"] and flat["train.repeats"] > 1:
        problems.append("cohort.shuffle=True, train.repeats above 1: each repeat would have other labels")
    if name in BASELINES and (flat["train.only_folds"] or flat["evaluate.select"] != "last"):
        problems.append(f"model.name={name!r}: train.only_folds and evaluate.select are for networks; leave them out")
    return problems + _wrong_embeddings(flat) + _wrong_heads(flat)


def _wrong_embeddings(flat: dict[str, Any]) -> list[str]:
    """Lists an embedding without its file, and a file that would be ignored."""
    name, file = flat["model.name"], flat["cohort.embeddings"]
    if name == EMBEDDING and not file:
        return ["cohort.embeddings='': name the .csv or .npz with the vectors, which model.name='embedding' needs"]
    if file and name != EMBEDDING:
        return [f"cohort.embeddings={file!r}: is for model.name='embedding', not for {name!r}; leave it out"]
    return []


def _wrong_views(flat: dict[str, Any]) -> list[str]:
    """Lists projections that cannot be joined, cut or made of the grid."""
    names, axes = flat["projection.name"].split("+"), flat["projection.axis"].split("+")
    grid, slabs = flat["volume.grid"], flat["projection.slabs"]
    problems = []
    alone = [each for each in (*names, *axes) if each in (*WHOLE, TRIPLANAR)]
    if TRIPLANAR in axes and "learned" in names:
        problems.append("projection.axis='triplanar': a learned projection has one axis")
    elif alone and len(names) + len(axes) + slabs > 3:
        joined = ", ".join(f"projection.{key}={flat[f'projection.{key}']!r}" for key in ("name", "axis", "slabs"))
        problems.append(f"{joined}: {' and '.join(map(repr, alone))} cannot be joined with others or cut into slabs")
    elif TRIPLANAR in axes and len(set(grid)) > 1:
        problems.append(f"volume.grid={grid!r}: must be a cube for projection.axis='triplanar'")
    elif slabs > 1 and (thin := [axis for axis in axes if grid[AXES[axis]] < THINNEST * slabs]):
        most = min(grid[AXES[axis]] for axis in thin) // THINNEST
        problems.append(f"projection.slabs={slabs}: thinner than {THINNEST} slices; at most {most} along {thin[0]}")
    return problems


def _wrong_heads(flat: dict[str, Any]) -> list[str]:
    """Lists heads and frozen trunks that cannot be, and what means nothing to a solved head."""
    name, head, trainable = flat["model.name"], flat["model.head"], flat["model.trainable"]
    is_frozen = trainable == "head"
    problems = []
    if flat["model.penalty"] and head != LINEAR and name != EMBEDDING:
        problems.append(f"model.penalty={flat['model.penalty']!r}: is for model.head='linear' and for {EMBEDDING}")
    if name not in TRUNKS:
        new = [f"model.{key}={value!r}" for key, value in (("head", head), ("trainable", trainable))]
        if is_frozen or head not in HIDDEN:
            problems.append(f"{', '.join(new)}: for networks of 2D images, not for model.name={name!r}")
        return problems
    if is_frozen and flat["projection.name"] == "learned":
        problems.append("model.trainable='head': a learned projection is trained with its trunk; choose 'all'")
    if is_frozen and flat["model.pretrained"] == "none":
        problems.append("model.pretrained='none': a frozen trunk of random numbers knows nothing; choose 'required'")
    if head in (POOLED, LINEAR) and flat["model.attention"] != "none":
        problems.append(
            f"model.attention={flat['model.attention']!r}: model.head={head!r} averages the map; choose none"
        )
    if head == JOINT and (flat["projection.name"].count("+"), *_views(flat)[1:]) != (1, 1, 1):
        problems.append("model.head='joint': takes two projections of one axis, such as projection.name='mean+dynamic'")
    if head == LINEAR:
        problems += _wrong_for_solved(flat)
    return problems


def _wrong_for_solved(flat: dict[str, Any]) -> list[str]:
    problems = []
    if flat["model.trainable"] != "head":
        problems.append("model.head='linear': is solved on a frozen trunk; choose model.trainable='head', or 'pooled'")
    if flat["evaluate.select"] != "last":
        problems.append(f"evaluate.select={flat['evaluate.select']!r}: a solved head has no epochs to select from")
    unused = {key: 1 if key == "train.epochs" else KEYS[key].default for key in NOT_FOR_SOLVED}
    for key, expected in unused.items():
        if flat[key] != expected:
            problems.append(f"{key}={flat[key]!r}: means nothing to a solved head; leave it at {expected!r}")
    return problems


def _views(flat: dict[str, Any]) -> tuple[int, int, int]:
    """Returns how many projections, axes and slabs there are."""
    names, axes = flat["projection.name"], flat["projection.axis"]
    return 1 + names.count("+"), 1 + axes.count("+"), flat["projection.slabs"]


def can_stream(config: FrozenConfigDict) -> bool:
    """Whether the network takes volumes, and needs only one batch of them at a time."""
    return _can_stream(config.model.name, config.projection.name)


def _can_stream(name: str, projection: str) -> bool:
    return projection in WHOLE and name not in BASELINES and not hasattr(VOLUMETRIC.get(name), "join")


def is_solved(config: FrozenConfigDict) -> bool:
    """Whether the network is solved in place of trained by steps."""
    return config.model.head == LINEAR and config.model.name in TRUNKS


def is_frozen(config: FrozenConfigDict) -> bool:
    """Whether the network's input is what a frozen trunk makes of the images."""
    return config.model.trainable == "head"


def is_pooled(config: FrozenConfigDict) -> bool:
    """Whether the head takes only the mean over the trunk's map."""
    return config.model.head in (POOLED, LINEAR)


def count_views(config: FrozenConfigDict) -> int:
    """Returns how many images a scan has."""
    return math.prod(_views(flatten(config)))


def resolve(config: ConfigDict | FrozenConfigDict) -> FrozenConfigDict:
    """Checks the config and makes the paths of its tables absolute, so that they mean the same from any folder.

    The shell gives labels as one text, `CN,MCI`, or as numbers, `0,1`; both become texts.
    Raises: UsageError as `check` does.
    """
    resolved = ConfigDict(_without_gone(config.to_dict()))
    if not _wrong_keys(flatten(resolved)):
        cohort = resolved.cohort
        if isinstance(cohort.labels, tuple | list):
            cohort.labels = tuple(label.strip() for text in cohort.labels for label in str(text).split(","))
        if cohort.table and isinstance(cohort.table, str):
            cohort.table = str(expanded(cohort.table).absolute())
        if cohort.embeddings and isinstance(cohort.embeddings, str):
            cohort.embeddings = str(expanded(cohort.embeddings).absolute())
    check(resolved)
    return FrozenConfigDict(resolved)


# The keys that describe one scan table. Another table has its own, or the default; all others hold for it as well.
OF_ONE_TABLE = ("cohort.table", "cohort.label_column", "cohort.description", "cohort.embeddings", "cohort.shuffle")


def with_table(
    config: FrozenConfigDict, table: Path, label_column: str = "", description: str = ""
) -> FrozenConfigDict:
    """Returns the config with another scan table, and nothing of what described the first."""
    changed = ConfigDict(config.to_dict())
    changed.update_from_flattened_dict({key: KEYS[key].default for key in OF_ONE_TABLE})
    changed.cohort.update(table=str(table), label_column=label_column, description=description)
    return FrozenConfigDict(changed)


def flatten(config: ConfigDict | FrozenConfigDict | dict, prefix: str = "") -> dict[str, Any]:
    """Flattens a config to {'train.epochs': 150, ...}."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        inner = isinstance(value, ConfigDict | FrozenConfigDict | dict)
        flat |= flatten(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return flat


def to_json(config: ConfigDict | FrozenConfigDict) -> str:
    """Formats a config as JSON."""
    return json.dumps(config.to_dict(), indent=2) + "\n"


def to_dict(config: ConfigDict | FrozenConfigDict) -> dict[str, Any]:
    """Converts a config to the dict that its JSON gives back: tuples become lists."""
    return json.loads(to_json(config))


def from_dict(values: dict[str, Any]) -> FrozenConfigDict:
    """Restores the config that `to_json` wrote: lists become tuples, and keys newer than it get their defaults.

    Raises: UsageError for a key that is no more, at a value that changed something.
    """

    def restore(value):
        if isinstance(value, dict):
            return {key: restore(inner) for key, inner in value.items()}
        return tuple(value) if isinstance(value, list) else value

    restored = _without_gone(restore(values))
    if gone := _gone(flatten(restored)):
        raise UsageError("\n".join(gone))
    for key, value in _later().items():
        section, _, name = key.partition(".")
        if isinstance(restored.get(section), dict):
            restored[section].setdefault(name, value)
    return FrozenConfigDict(restored)


def _without_gone(values: dict[str, Any]) -> dict[str, Any]:
    """Leaves out the keys of GONE that change nothing; `check` refuses the others."""
    for key, (neutral, _) in GONE.items():
        section, _, name = key.partition(".")
        if isinstance(values.get(section), dict) and values[section].get(name) == neutral:
            del values[section][name]
    return values


def _later() -> dict[str, Any]:
    """Returns the keys that the first runs did not have, with the values that those runs had in effect."""
    return {name: key.default if key.before is None else key.before for name, key in KEYS.items() if key.later}


def identity(config: ConfigDict | FrozenConfigDict | dict) -> dict[str, Any]:
    """Returns the keys that tell runs apart, flat, as JSON has them; jobs of one run may differ in the others."""
    flat = _later() | flatten(config)
    left_out = [name for name, key in KEYS.items() if key.shared]
    left_out += [name for name, (neutral, _) in GONE.items() if flat.get(name) == neutral]
    return json.loads(json.dumps({name: value for name, value in flat.items() if name not in left_out}))


def identity_digest(config: ConfigDict | FrozenConfigDict) -> str:
    """Hashes the config's identity."""
    return hashlib.sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()


def projection_of(config: FrozenConfigDict) -> Projection:
    """Returns how the config turns volumes into images."""
    grid = Grid(tuple(config.volume.grid), float(config.volume.spacing))
    projection = config.projection
    reading = (config.volume.nan, config.volume.recipe)
    return Projection(grid, projection.name, projection.axis, projection.weights, *reading, projection.slabs)


def network_options(config: FrozenConfigDict) -> Options:
    """Returns the options with which `build_classifier` builds the config's network."""
    model, projection = config.model, config.projection
    learned = projection.axis if projection.name == "learned" else ""
    pooling = (learned, projection.scale)
    drawn = (model.dropout, model.attention, model.head, model.cut, *pooling, model.n_patches, model.dtype)
    return Options(*drawn, views=count_views(config), is_frozen=is_frozen(config))


def input_size(config: FrozenConfigDict) -> tuple[int, ...]:
    """Returns the size of a network's images, or of its volumes where it takes these."""
    grid = tuple(config.volume.grid)
    if config.projection.name in WHOLE:
        return grid
    return image_size(grid, config.projection.axis)
