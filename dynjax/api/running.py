"""Does from Python what the commands do. They print as the commands do, and raise the same errors."""

import difflib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from dynjax import config_file
from dynjax.api.loaded import Run, load_run
from dynjax.errors import UsageError
from dynjax.files import expanded
from dynjax.run import maps, settings, svm_pattern
from dynjax.run.keys import GONE
from dynjax.run.runtime import like_a_command
from dynjax.run.verdicts import Verdict
from dynjax.run.workdir import Workdir
from dynjax.verbs import evaluate as evaluate_verb
from dynjax.verbs import explain as explain_verb
from dynjax.verbs import predict as predict_verb
from dynjax.verbs import train as train_verb
from dynjax.volumes.nifti import read_volume

HOW = 'write load_config("best", {"train.folds": 5}), and likewise train; `dynjax configs` lists the names'


class Map(NamedTuple):
    """Explains the answer to a scan: a map, float32 [X, Y, Z] in RAS+, and its affine, voxel index to mm.

    about: what the sidecar says, such as 'probability', 'logit', 'unit' and 'claim', which says what the map may claim.
    folder: where the map's files are: NIfTI, picture and viewer.
    """

    values: np.ndarray
    affine: np.ndarray
    about: dict[str, Any]
    folder: Path


def load_config(
    config: str | Path | ConfigDict | FrozenConfigDict, overrides: Mapping[str, Any] | None = None
) -> ConfigDict:
    """Loads a config, changes keys of it and checks it.

    Args:
      config: what --config takes, 'configs/dyn_vgg11.py:quick', or a ConfigDict.
      overrides: values by key, such as {'cohort.table': 'scans.csv', 'train.epochs': 3} or, nested, {'train':
        {'epochs': 3}}; docs of the configs and dynjax/run/keys.py list the keys.

    Returns: the config with paths made absolute, which can be changed further.
    Raises: UsageError for a config that is not found, an unknown key or a value that cannot be used.

    >>> import dynjax
    >>> dynjax.load_config("configs/dyn_vgg11.py:quick", {"train.epochs": 3}).train.epochs
    3
    """
    if not isinstance(config, str | Path | ConfigDict | FrozenConfigDict):
        raise UsageError(f"a config is a name, a file or a ConfigDict, and none a {type(config).__name__}; {HOW}")
    if not isinstance(overrides, Mapping | None):
        raise UsageError(f"changes of a config are a dict, not a {type(overrides).__name__}; {HOW}")
    loaded = config if isinstance(config, ConfigDict | FrozenConfigDict) else config_file.load(str(expanded(config)))
    changed, values = ConfigDict(loaded.to_dict()), settings.flatten(dict(overrides or {}))
    _check_keys(values, list(settings.flatten(changed)))
    with changed.ignore_type():  # `resolve` says in better words what a value must be
        changed.update_from_flattened_dict({key: _as_config_has_it(value) for key, value in values.items()})
    return ConfigDict(settings.resolve(changed).to_dict())


@like_a_command()
def train(
    config: str | Path | ConfigDict | FrozenConfigDict,
    workdir: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    allow_refused: bool = False,
) -> Run:
    """Trains and evaluates a config in a workdir; called again with the same, it goes on where it stopped.

    Args: config, overrides: as `load_config` takes them; workdir, the run's folder; allow_refused, excludes refused
    scans, and counts them, instead of ending.

    Returns: the run, with its results, predictions and networks.
    Raises: UsageError, InputError, DynjaxError or Stopped, as `dynjax.errors` says; everything saved is kept.

    Twelve synthetic subjects on a coarse grid; {'cohort.table': 'scans.csv'} names your own:

    >>> import dynjax
    >>> tiny = {"cohort.phantom.n": 12, "train.folds": 3, "volume.grid": (32, 32, 32), "volume.spacing": 6.9}
    >>> run = dynjax.train("configs/best.py", "runs/mine", tiny)
    >>> run.results["metrics"]["roc_auc"]["value"]
    0...
    """
    train_verb.train(FrozenConfigDict(load_config(config, overrides)), Workdir(workdir), allow_refused)
    return load_run(workdir)


@like_a_command()
def evaluate(
    workdir: str | Path,
    *,
    table: str | Path = "",
    out: str | Path | None = None,
    label_column: str = "",
    description: str = "",
    finished_folds: bool = False,
    subgroups: Sequence[str] = (),
    allow_refused: bool = False,
) -> Run:
    """Scores a run's networks again, or with `table` and `out` those of all folds on another cohort.

    Args:
      table, out: the scan table of the other cohort, and the new folder of its scores.
      label_column, description: what `cohort.label_column` and `cohort.description` are for the other table.
      finished_folds: scores only the folds that are trained, and says so in the results.
      subgroups: further columns of the scan table that define subgroups.
      allow_refused: excludes refused scans of the other cohort instead of ending.

    Returns: the run, or that of the other cohort in `out`. Raises: as `train`.

    >>> import dynjax
    >>> dynjax.evaluate("runs/mine").results["n_subjects"]
    12
    """
    asked, folder = _run_at(workdir), expanded(out) if out else None
    evaluate_verb.evaluate(
        asked, finished_folds, _texts(subgroups), str(table), folder, allow_refused, label_column, description
    )
    return load_run(folder or asked.path)


@like_a_command()
def predict(
    workdir: str | Path,
    scans: str | Path | Sequence[str | Path] = (),
    *,
    table: str | Path = "",
    out: str | Path | None = None,
    allow_unlike: bool = False,
) -> list[Verdict]:
    """Gives each scan the mean probability of the folds' networks, and the spread between them.

    Args:
      scans: a scan file or a folder of them, or several.
      table: a CSV that lists further ones in its column `path`.
      out: a .csv file of the answers, beside which a .json says what the run is.
      allow_unlike: answers scans, too, that are unlike all training scans.

    Returns: for each scan path, verdict, probability of the positive class, fold_sd and reason; a scan that is refused
      has the verdict 'refused', no probability and the reason.
    Raises: UsageError if `out` cannot be written; InputError if there is no trained network.

    >>> import dynjax
    >>> for answer in dynjax.predict("runs/mine", "scan.nii.gz"):
    ...     print(answer.path, answer.verdict, answer.probability)
    scan.nii.gz ... 0...
    """
    folder = expanded(out) if out else None
    return predict_verb.answer(_run_at(workdir), _several(scans), folder, allow_unlike, str(table))


@like_a_command()
def explain(
    workdir: str | Path,
    scans: str | Path | Sequence[str | Path] = (),
    *,
    method: str = "gradients",
    reference: str = "",
    subjects: Sequence[str] = (),
    atlas: str | Path | None = None,
    atlas_names: str | Path | None = None,
    out: str | Path | None = None,
    allow_unlike: bool = False,
    table: str | Path = "",
) -> list[Map]:
    """Maps which voxels speak for the answers to scans or, without scans, to the run's own subjects.

    Args: as those of the command: method, reference, and atlas with its names, docs/explaining.md describes; subjects
    are those of the run, () is all; out is a folder, by default WORKDIR/explanation; scans and table are as `predict`
    takes them.

    Returns: one map a scan, in their order; of a support vector machine on voxels, the one map of the run.
    Raises: UsageError and InputError as the command does, once all other scans are explained: their maps are kept.

    >>> import dynjax
    >>> found = dynjax.explain("runs/mine", "scan.nii.gz", out="maps")[0]
    >>> found.values.shape, found.about["unit"]
    ((32, 32, 32), 'logit per voxel')
    """
    folder, regions, names = (expanded(each) if each else None for each in (out, atlas, atlas_names))
    folders = explain_verb.explain(
        _run_at(workdir),
        _several(scans),
        method,
        reference,
        folder,
        _texts(subjects),
        regions,
        names,
        allow_unlike,
        str(table),
    )
    return [_read_map(folder) for folder in folders]


def _as_config_has_it(value: Any) -> Any:
    """A config has tuples, not lists, text, not paths, and Python's own numbers, not NumPy's."""
    plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    return tuple(plain) if isinstance(plain, list) else str(plain) if isinstance(plain, Path) else plain


def _check_keys(overrides: Mapping[str, Any], known: list[str]) -> None:
    """Raises UsageError for each key that a config lacks, with the nearest that it has."""
    problems = []
    for key in overrides:
        if any(each.startswith(f"{key}.") for each in known):
            problems.append(f"{key}: is a section of a config; give keys of it, such as {{'{key}.KEY': VALUE}}")
        elif key not in known and key not in GONE:  # `resolve` says what became of those that are gone
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            problems.append(f"{key}: a config has no such key; did you mean {nearest[0]}?")
    if problems:
        raise UsageError("\n".join(problems))


def _run_at(workdir: str | Path) -> Workdir:
    found = Workdir(workdir)
    found.check_is_run()
    return found


def _several(scans: str | Path | Iterable[str | Path]) -> list[str]:
    """Returns the names of scans, given one or several. Raises: UsageError for arrays."""
    names = [scans] if isinstance(scans, str | Path) else list(scans)
    if others := [each for each in names if not isinstance(each, str | os.PathLike)]:
        advice = "a run answers arrays by load_run(workdir).networks[FOLD](volumes)"
        raise UsageError(f"scans are files and folders, and none a {type(others[0]).__name__}; {advice}")
    return [str(expanded(each)) for each in names]


def _texts(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _read_map(folder: Path) -> Map:
    is_whole_run = (folder / svm_pattern.SIDECAR).exists()
    module = svm_pattern if is_whole_run else maps
    volume = read_volume(folder / module.MAP)
    return Map(volume.data, volume.affine, json.loads((folder / module.SIDECAR).read_text(encoding="utf-8")), folder)
