"""Every key of a config: what it means, its default, and which values it can have.

Choices are named by the module where they stand, and looked up only when a config is checked: importing this module, as
config files do, loads neither jax nor scikit-learn.
"""

import math
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

from ml_collections import ConfigDict

LARGEST_SEED = 2**32 - 1  # scikit-learn's
LARGEST_GRID = 2**27  # voxels: half a GiB of float32


class Key(NamedTuple):
    """A key's default and its check; a value of another type or that `valid` refuses `must` be what it says.

    later: the first runs did not have the key, and a run without it has the default or, if that is given, `before`.
    shared: jobs that differ in this key alone share a workdir.
    """

    default: Any
    valid: Callable[[Any], bool]
    must: Callable[[], str]
    later: bool = False
    shared: bool = False
    before: Any = None

    def holds(self, value: Any) -> bool:
        """Tells whether the key can have the value, which may be of any type."""
        return _is_like(self.default, value) and self.valid(value)


def _is_like(default: Any, value: Any) -> bool:
    """Tells whether a value is of the default's type: a whole number may stand for one with a fraction."""
    if isinstance(default, tuple):
        item = default[0] if default else 0
        return isinstance(value, tuple | list) and all(_is_like(item, each) for each in value)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    if isinstance(default, str):
        return isinstance(value, str) and "\0" not in value
    return type(value) is type(default)


TYPES = {bool: "True or False", str: "text", tuple: "whole numbers with commas between them"}


def _any(default: Any, **how: Any) -> Key:
    """Any value of the default's type."""
    return _must(default, lambda value: True, TYPES[type(default)], **how)


def _between(default: int | float, lowest: int | float, highest: int | float, **how: Any) -> Key:
    """A number from `lowest` to `highest`, which is whole if the default is."""
    kind = "a whole number" if isinstance(default, int) else "a number"
    return _must(default, lambda value: lowest <= value <= highest, f"{kind}, {lowest} to {highest}", **how)


def _must(default: Any, valid: Callable[[Any], bool], text: str, **how: Any) -> Key:
    return Key(default, valid, lambda: f"must be {text}", **how)


def _one_of(default: str, *where: str, **how: Any) -> Key:
    """One of the names that stand at 'module:NAME', tuples or the keys of dictionaries, or a name without a colon."""

    def choices() -> list[str]:
        return [name for at in where for name in (pkgutil.resolve_name(f"dynjax.{at}") if ":" in at else (at,))]

    return Key(default, lambda value: value in choices(), lambda: f"choose one of {', '.join(choices())}", **how)


def _joined(default: str, *where: str, **how: Any) -> Key:
    """Names as `_one_of` takes them, each once, joined by '+'."""
    single = _one_of(default, *where, **how)

    def valid(value: str) -> bool:
        parts = value.split("+")
        return len(set(parts)) == len(parts) and all(map(single.valid, parts))

    return single._replace(valid=valid, must=lambda: f"{single.must()}, or several joined by '+'")


KEYS: dict[str, Key] = {
    # decides the folds, the initial values, the order of batches, dropout and the bootstrap
    "seed": _between(0, 0, LARGEST_SEED),
    #
    # a CSV, an ADNI collection CSV, a folder that holds one, a BIDS dataset, a CAPS folder; '' is the phantom cohort
    "cohort.table": _any(""),
    # (negative, positive); scans with other labels are left out
    "cohort.labels": _must(
        ("CN", "AD"),
        lambda labels: len(labels) == 2 == len(set(labels)) and all(labels),
        "two labels, (negative, positive)",
    ),
    # the column that holds the labels; '' is 'label', ADNI's 'Group', BIDS's 'diagnosis' or the like
    "cohort.label_column": _any("", later=True),
    # a subject's 'first' scan with one of the labels, or 'all' of them
    "cohort.visit": _one_of("first", "cohort.table:VISITS"),
    # which series or files to keep: ADNI's description, 'MT1; GradWarp; N3m' or 'MT1*'; names in BIDS, '*run-2*'
    "cohort.description": _any(""),
    # for 'embedding': a vector for each scan by any other program, in a .csv with the columns subject, session and one
    # a number, or in a .npz with subject, session and vectors; no session is needed where each subject has one scan
    "cohort.embeddings": _any("", later=True),
    # shuffles the labels among the subjects: a score above chance is then a leak
    "cohort.shuffle": _any(False, later=True),
    # how many subjects the phantom cohort has; a fifth of them have two visits
    "cohort.phantom.n": _between(100, 4, 9999),
    # draws other phantoms
    "cohort.phantom.seed": _between(0, 0, LARGEST_SEED),
    # gives phantoms a skull and a scalp, as in the paper's Table 4
    "cohort.phantom.skull": _any(False),
    #
    # voxels along x, y and z, centred on MNI (0, -18, 20) mm
    "volume.grid": _must(
        (110, 110, 110),
        lambda grid: len(grid) == 3 and min(grid) >= 32 and math.prod(grid) <= LARGEST_GRID,
        f"three numbers of voxels, at least 32 each and at most {LARGEST_GRID} voxels together",
    ),
    # the side of a voxel in mm
    "volume.spacing": _between(2.0, 0.05, 50.0),
    # refuses scans with NaN, or sets NaN to 'zero' where it lies outside the brain of a masked scan
    "volume.nan": _one_of("refuse", "volumes.reading:NAN", later=True),
    # how a volume gets onto the grid, see dynjax/volumes/reading.py; runs of before have 1, and go on with it
    "volume.recipe": _must(2, lambda recipe: recipe in (1, 2), "1 or 2", later=True, before=1),
    #
    # 'dynamic', approximate rank pooling; 'max', 'mean', exact rank pooling by 'ranksvm' or 'svr', 'learned'; 'none'
    # leaves the volume as it is; 'dynamic+mean' gives a scan several images, which one network sees
    "projection.name": _joined("dynamic", "projection.project:PROJECTIONS", "projection.project:WHOLE"),
    # pools along z as in the paper; or 'coronal', 'sagittal', 'axial+coronal+sagittal' for an image of each; or
    # 'triplanar', the three as channels of one image
    "projection.axis": _joined("axial", "projection.project:PLANES"),
    # cuts the axis into so many slabs, each an image of its own
    "projection.slabs": _between(1, 1, 2**10, later=True),
    # the weights of 'dynamic': 'simple', 2t - T - 1, the paper's eq. 3; or 'harmonic', 'released'
    "projection.weights": _one_of("simple", "projection.weights:FAMILIES"),
    # 'imagenet', the range that the trunks were pretrained on; or 'unit', 'byte'
    "projection.scale": _one_of("imagenet", "projection.scale:SCALES"),
    #
    # the network, or a baseline: a trunk of 2D images, a 3D network with projection.name=none, or what is no network
    "model.name": _one_of("vgg11", "models.trunks:TRUNKS", "models.build:VOLUMETRIC", "baselines.features:BASELINES"),
    # ImageNet weights where they can be had; or 'required', 'none'
    "model.pretrained": _one_of("auto", "pretrained.source:MODES"),
    # trains the whole network, or the 'head' alone on what the frozen trunk makes of the images
    "model.trainable": _one_of("all", "models.build:TRAINABLE", later=True),
    # a mask that sums to 1 over the map; 'rows' (the released code's), 'none'
    "model.attention": _one_of("map", "models.attention:SOFTMAX_AXES", "none"),
    # 512 and 64 units; 'released', 2 C and C / 2 units with BatchNorm; 'pooled', one layer on the mean over the map;
    # 'joint', a head for each of two projections and one for both; 'linear', solved, on a frozen trunk
    "model.head": _one_of("paper", "models.head:HEADS"),
    # weighs half the squared length of a linear answer's weights; 0 leaves the choice to folds of training subjects
    "model.penalty": _must(
        0.0,
        lambda penalty: penalty == 0 or 1e-6 <= penalty <= 1e6,
        "0, or a number from 1e-06 to 1000000.0",
        later=True,
    ),
    # where AlexNet and VGG11 end: after their last ReLU; or 'released', before one
    "model.cut": _one_of("paper", "models.trunks:CUTS"),
    # how many patches 'patches3d' joins after half of the epochs: all, or those that do best alone
    "model.n_patches": _between(27, 1, 27, later=True),
    # the share of units that are dropped in the head while training
    "model.dropout": _must(0.5, lambda rate: 0 <= rate < 1, "a number, at least 0 and below 1"),
    # the precision of convolutions and matrix products; 'bfloat16' is for accelerators
    "model.dtype": _one_of("float32", "models.build:DTYPES", later=True),
    #
    # how often each fold's training subjects are seen
    "train.epochs": _between(150, 1, 10**6),
    # how many examples a step takes
    "train.batch_size": _between(16, 1, 2**16),
    # the learning rate of Adam
    "train.learning_rate": _between(1e-4, 1e-12, 1e3),
    # multiplies the learning rate after each epoch
    "train.learning_rate_decay": _must(1.0, lambda rate: 0 < rate <= 1, "a number, above 0 and at most 1"),
    # this times the parameters is added to their gradients (L2, not AdamW)
    "train.weight_decay": _between(0.0, 0.0, 1e3),
    # into how many parts the subjects are divided, each tested by a network that never saw it
    "train.folds": _between(5, 2, 10**4),
    # how often the whole cross-validation is done, on other folds and from other seeds each time
    "train.repeats": _between(1, 1, 100, later=True),
    # () trains all folds; a job array gives each job one: --config.train.only_folds=2
    "train.only_folds": _any((), shared=True),
    # how many devices divide the examples of each batch among them
    "train.devices": _between(1, 1, 2**16, later=True, shared=True),
    # reads a 3D network's volumes from the store as they are needed, in place of keeping all in memory
    "train.stream": _any(False, later=True, shared=True),
    # epochs from one checkpoint to the next; one is left out where writing would take more than a tenth of the time
    "train.checkpoint_every": _between(10, 1, 10**6),
    #
    # which epoch is scored: the last; by 'validation' the one that a fifth of a fold's training subjects, held out,
    # choose with a threshold; by 'test' the best on the fold's test subjects, which is OPTIMISTIC
    "evaluate.select": _one_of("last", "report.wording:SELECTIONS"),
}

# Keys that a config may still hold, at a value that changes nothing, and what to do in place of any other value.
GONE: dict[str, tuple[Any, str]] = {
    "train.side_by_side": (1, "one fold is trained at a time; start a process for each, with train.only_folds"),
}


def default_config() -> ConfigDict:
    """A config with every key at its default."""
    nested: dict[str, Any] = {}
    for name, key in KEYS.items():
        *sections, last = name.split(".")
        inner = nested
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = key.default
    return ConfigDict(nested)
