"""Scores a finished run's networks on a labelled cohort that none of them saw."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.cohort.scan import Cohort
from dynjax.cohort.table import PHANTOM_MARK
from dynjax.csv_table import read_csv
from dynjax.errors import InputError, listed
from dynjax.evaluation.metrics import THRESHOLD
from dynjax.files import expanded, write_text
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.answers import SUBGROUP_COLUMNS, write_answers
from dynjax.run.checking import check_first
from dynjax.run.data import Data, check_columns, find_cohort, keep_folds, load_data
from dynjax.run.guarding import read_guard
from dynjax.run.results import results_so_far
from dynjax.run.runtime import configure_jax
from dynjax.run.trained import Trained, load_networks
from dynjax.run.unlike import score_the_like
from dynjax.run.workdir import Workdir


class Table(NamedTuple):
    """Another scan table: its path, and what describes it alone, as `load_cohort` takes it."""

    path: str
    label_column: str = ""
    description: str = ""


def evaluate_external(
    workdir: Workdir, table: Table, out: Path, columns: Sequence[str], allow_refused: bool = False
) -> None:
    """Scores the mean probability of all folds' networks on the subjects of another scan table.

    The new folder `out` gets predictions.csv, in which every scan is in fold 0, results.json and folds.csv as a workdir
    has them, and external.json with the config. A subject is called positive from the mean of the networks' thresholds.
    likeness.csv says how like the training scans each scan is. The classes and how scans are read are the run's; the
    column of labels, the series and the labels are the table's.

    Raises: UsageError if `out` is used for something else; InputError if the run was trained or tested on a subject or
    a volume of the table, or if a scan is refused and `allow_refused` is not set.
    """
    configure_jax()
    source, other = expanded(table.path).absolute(), Workdir(out)
    networks = load_networks(workdir)
    config = settings.with_table(networks[0].config, source, table.label_column, table.description)
    about = {"schema": 1, "run": str(workdir), "networks": len(networks), "config": settings.to_dict(config)}
    other.check_external(about)
    cohort = find_cohort(config)
    print_text(cohort.describe())
    check_columns(cohort, (name for name in columns if name not in SUBGROUP_COLUMNS))
    subjects = _subjects_of(workdir)
    _check_subjects(workdir, subjects, cohort)
    cohort, refused = check_first(config, other, cohort, allow_refused)
    folds = np.zeros(len(cohort.scans), int)
    data = load_data(config, cohort, folds, networks[0].trunk)
    _check_volumes(workdir, data, networks)
    images = data.images(folds == 0)
    answers, together = [network.answer(images) for network in networks], _together(networks)
    probabilities = np.mean([answer.probabilities for answer in answers], axis=0)
    write_text(other.external, json.dumps(about, indent=2) + "\n")
    keep_folds(other, cohort, folds, refused)
    guard = read_guard(workdir.repeats()[0])
    summary = {
        "run": str(workdir),
        "networks": len(networks),
        "trained_on": _trained_on(workdir, networks[0].config, len(subjects)),
        "likeness": score_the_like(other, data, guard, networks, answers, together.about["threshold"]),
    }
    write_answers(other, data, {0: together}, probabilities, columns, summary)


def _together(networks: list[Trained]) -> Trained:
    """Describes the networks as one: means of their seconds, losses and thresholds."""
    abouts = [network.about for network in networks]
    means = {
        key: float(np.mean([about.get(key) or 0.0 for about in abouts])) for key in ("train_seconds", "train_loss")
    }
    threshold = float(np.mean([about.get("threshold", THRESHOLD) for about in abouts]))
    return networks[0]._replace(about=abouts[0] | means | {"threshold": threshold})


def _trained_on(workdir: Workdir, config: FrozenConfigDict, subjects: int) -> dict:
    """Says, for results.json, on whom the networks were trained and how many such networks a finished run has."""
    cohort = results_so_far(workdir.repeats()[0].results).get("cohort", {})
    table = Path(config.cohort.table) if config.cohort.table else None
    marked = table is None or ((table if table.is_dir() else table.parent) / PHANTOM_MARK).exists()
    return {
        "source": cohort.get("source") or str(table or "phantoms"),
        "synthetic": cohort.get("synthetic", marked),
        "shuffled": config.cohort.shuffle,
        "n_subjects": subjects,
        "folds": config.train.folds,
        "repeats": len(workdir.repeats()),
    }


def _subjects_of(workdir: Workdir) -> set[str]:
    """Returns the subjects that the run was trained or tested on. Raises: InputError if they are not known."""
    path = workdir.repeats()[0].folds  # all repeats have the same
    try:
        return set(read_csv(path, ["subject"], str))
    except (OSError, InputError):
        raise InputError(f"{path}: missing or damaged, so that the run's subjects are not known") from None


def _check_subjects(workdir: Workdir, ours: set[str], cohort: Cohort) -> None:
    if shared := sorted(ours & set(cohort.subjects)):
        raise InputError(
            f"{cohort.source}: {len(shared)} subjects are also in {workdir}, so this is no external cohort; "
            f"leave them out:\n{listed(shared)}"
        )


def _check_volumes(workdir: Workdir, data: Data, networks: list[Trained]) -> None:
    seen = {digest for network in networks for part in network.about["scans"].values() for digest in part}
    shared = [scan.path for scan, digest in zip(data.cohort.scans, data.digests) if digest in seen]
    if shared:
        raise InputError(
            f"{data.cohort.source}: {len(shared)} volumes are also in {workdir}, under other names; "
            f"leave them out:\n{listed(shared)}"
        )
