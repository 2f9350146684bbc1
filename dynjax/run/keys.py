"""Every key of a config: what it means, its default, and which values it can have.

Choices are named by the module where they stand, and looked up only when a config is checked: importing this module, as
config files do, loads neither jax nor scikit-learn.
"""

import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

from ml_collections import ConfigDict


class Key(NamedTuple):
    """A key's default and its check; a value that `valid` refuses `must` be what it says.

    later: the first runs did not have the key, and a run without it has the default.
    shared: jobs that differ in this key alone share a workdir.
    """

    default: Any
    valid: Callable[[Any], bool]
    must: Callable[[], str]
    later: bool = False
    shared: bool = False


def _any(default: Any, **how: bool) -> Key:
    """Any value of the default's type."""
    return Key(default, lambda value: True, lambda: "", **how)


def _must(default: Any, valid: Callable[[Any], bool], text: str, **how: bool) -> Key:
    return Key(default, valid, lambda: f"must be {text}", **how)


def _one_of(default: str, *where: str, **how: bool) -> Key:
    """One of the names that stand at 'module:NAME', tuples or the keys of dictionaries, or a name without a colon."""

    def choices() -> list[str]:
        return [name for at in where for name in (pkgutil.resolve_name(f"dynjax.{at}") if ":" in at else (at,))]

    return Key(default, lambda value: value in choices(), lambda: f"choose one of {', '.join(choices())}", **how)


KEYS: dict[str, Key] = {
    # of the folds, the initial values, the order of batches, dropout and the bootstrap
    "seed": _must(0, lambda seed: seed >= 0, "0 or more"),
    #
    # a CSV, an ADNI collection CSV, a folder that holds one, a BIDS dataset, a CAPS folder; '' is the phantom cohort
    "cohort.table": _any(""),
    # (negative, positive); scans with other labels are left out
    "cohort.labels": _must(
        ("CN", "AD"), lambda labels: len(labels) == 2 == len(set(labels)), "two labels, (negative, positive)"
    ),
    # the column that holds the labels; '' is 'label', ADNI's 'Group', BIDS's 'diagnosis' or the like
    "cohort.label_column": _any("", later=True),
    # a subject's first scan, or 'all' visits
    "cohort.visit": _one_of("first", "cohort.table:VISITS"),
    # which series or files to keep: ADNI's description, 'MT1; GradWarp; N3m' or 'MT1*'; names in BIDS, '*run-2*'
    "cohort.description": _any(""),
    # shuffles the labels among the subjects: a score above chance is then a leak
    "cohort.shuffle": _any(False, later=True),
    "cohort.phantom.n": _must(100, lambda n: 4 <= n <= 9999, "4 to 9999"),
    "cohort.phantom.seed": _must(0, lambda seed: seed >= 0, "0 or more"),
    "cohort.phantom.skull": _any(False),
    #
    # voxels along x, y and z, centred on MNI (0, -18, 20) mm
    "volume.grid": _must(
        (110, 110, 110), lambda grid: len(grid) == 3 and min(grid) >= 32, "three numbers of voxels, at least 32 each"
    ),
    # mm
    "volume.spacing": _must(2.0, lambda spacing: spacing > 0, "above 0 mm"),
    # refuses scans with NaN, or sets NaN to 'zero' where it lies outside the brain of a masked scan
    "volume.nan": _one_of("refuse", "volumes.nifti:NAN", later=True),
    #
    # also 'max', 'mean', exact rank pooling by 'ranksvm' or 'svr', 'learned'; 'none' leaves the volume as it is
    "projection.name": _one_of("dynamic", "projection.project:PROJECTIONS", "projection.project:WHOLE"),
    # pooled along z as in the paper; or 'coronal', 'sagittal', or 'triplanar', the three as channels
    "projection.axis": _one_of("axial", "projection.project:PLANES"),
    # of 'dynamic': 2t - T - 1, the paper's eq. 3; or 'harmonic', 'released'
    "projection.weights": _one_of("simple", "projection.weights:FAMILIES"),
    # the range that the trunks were pretrained on; or 'unit', 'byte'
    "projection.scale": _one_of("imagenet", "projection.scale:SCALES"),
    #
    "model.name": _one_of("vgg11", "models.build:TRUNKS", "models.build:VOLUMETRIC", "baselines.features:BASELINES"),
    # ImageNet weights where they can be had; or 'required', 'none'
    "model.pretrained": _one_of("auto", "pretrained.source:MODES"),
    # a mask that sums to 1 over the map; 'rows' (the released code's), 'none'
    "model.attention": _one_of("map", "models.attention:SOFTMAX_AXES", "none"),
    # 512 and 64 units; or 'released', 2 C and C / 2 units with BatchNorm
    "model.head": _one_of("paper", "models.head:HEADS"),
    # where AlexNet and VGG11 end: after their last ReLU; or 'released', before one
    "model.cut": _one_of("paper", "models.build:CUTS"),
    # how many patches 'patches3d' joins after half of the epochs: all, or those that do best alone
    "model.n_patches": _must(27, lambda n: 1 <= n <= 27, "1 to 27", later=True),
    "model.dropout": _must(0.5, lambda rate: 0 <= rate < 1, "at least 0 and below 1"),
    # of convolutions and matrix products; 'bfloat16' is for accelerators
    "model.dtype": _one_of("float32", "models.build:DTYPES", later=True),
    #
    "train.epochs": _must(150, lambda n: n >= 1, "1 or more"),
    "train.batch_size": _must(16, lambda n: n >= 1, "1 or more"),
    "train.learning_rate": _must(1e-4, lambda rate: rate > 0, "above 0"),
    # multiplies the learning rate after each epoch
    "train.learning_rate_decay": _must(1.0, lambda rate: 0 < rate <= 1, "above 0 and at most 1"),
    # times the parameters, added to their gradients (L2, not AdamW)
    "train.weight_decay": _must(0.0, lambda decay: decay >= 0, "0 or more"),
    "train.folds": _must(5, lambda n: n >= 2, "2 or more"),
    # of the whole cross-validation, on other folds and from other seeds each time
    "train.repeats": _must(1, lambda n: 1 <= n <= 100, "1 to 100", later=True),
    # () trains all folds; a job array gives each job one: --config.train.only_folds=2
    "train.only_folds": _any((), shared=True),
    # that divide the examples of each batch among them
    "train.devices": _must(1, lambda n: n >= 1, "1 or more", later=True, shared=True),
    # reads a 3D network's volumes from the store as they are needed, in place of keeping all in memory
    "train.stream": _any(False, later=True, shared=True),
    # epochs; a checkpoint is left out where writing would take more than a tenth of the time
    "train.checkpoint_every": _must(10, lambda n: n >= 1, "1 or more"),
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
