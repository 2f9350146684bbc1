"""`audit`: looks for scans that are trained on in one fold and tested in another, and for confounders of the label."""

import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict

from dynjax.audit.association import LEVEL, find_associations
from dynjax.audit.copies import BOUND, confirm, near_pairs, reduce_cohort
from dynjax.audit.leaks import Overlap, find_identical, find_near, find_subjects, worth_comparing
from dynjax.cohort.folds import make_folds, read_folds
from dynjax.cohort.scan import Cohort
from dynjax.errors import InputError, listed
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.checking import check_first
from dynjax.run.crossvalidation import cross_validate
from dynjax.run.data import find_cohort
from dynjax.run.recipe import with_own_recipe
from dynjax.run.refused import without_refused
from dynjax.run.repeats import repeat_seeds
from dynjax.run.results import read_results
from dynjax.run.runtime import configure_jax
from dynjax.run.workdir import Workdir
from dynjax.volumes.reading import Reading

CONFOUNDERS = ("site", "scanner", "sex", "age")  # columns that a network may learn instead of the disease
REMEDY = """\
scans that train one fold are tested in another, so scores would be too high. Remove one scan of each group from the
scan table, or give all of them the same subject there, which keeps them in one fold"""


def audit(
    config: FrozenConfigDict,
    workdir: Workdir | None = None,
    shuffled: Workdir | None = None,
    allow_refused: bool = False,
    max_hours: float | None = None,
) -> None:
    """Audits the folds written in the workdir or, without one, the folds that the config would get.

    With `shuffled`, it also trains the config in that folder on shuffled labels, which only a leak can predict. The
    scans that the run in the workdir excluded are left out; without one, `allow_refused` leaves out refused scans. That
    training stops after `max_hours`.

    Raises: InputError that lists every subject and volume on both sides of a fold, or if shuffled labels are predicted.
    """
    config = settings.resolve(config)
    config = config if workdir is None else with_own_recipe(config, workdir)
    shuffled_config = _with_shuffled_labels(config) if shuffled is not None else None
    cohort = find_cohort(config)
    print_text(cohort.describe())
    cohort = _without_refused(config, cohort, workdir, allow_refused)
    _print_associations(cohort, config.seed)
    findings = _find(cohort, _partitions(config, cohort, workdir), settings.projection_of(config).reading)
    for finding in findings:
        if not finding.leak:
            print_text(f"warning: within one fold, so no leak, but counted twice: {finding.text}")
    if leaks := [finding.text for finding in findings if finding.leak]:
        raise InputError(f"{cohort.source}: {REMEDY}:\n{listed(leaks)}")
    count = f"{len(cohort.scans)} scans in {config.train.folds} folds"
    print_text(f"no leak: of {count}, no subject and no identical or near-identical volume is on both sides of a fold")
    print_text(f"(near-identical: a correlation of {BOUND} or more without the cohort's mean)")
    if shuffled is not None and shuffled_config is not None:
        _train_on_shuffled_labels(shuffled_config, shuffled, allow_refused, max_hours)


def _without_refused(config: FrozenConfigDict, cohort: Cohort, workdir: Workdir | None, allow_refused: bool) -> Cohort:
    if workdir is None and allow_refused:
        return check_first(config, None, cohort, allow_refused)[0]
    if workdir is None and cohort.refused:
        advice = "put them right, or audit the others by --allow-refused"
        raise InputError(f"{len(cohort.refused)} scans cannot be used; {advice}:\n{listed(cohort.refused)}")
    if workdir is None:
        return cohort
    kept = without_refused(workdir.repeats()[0], cohort)
    if left := len(cohort.scans) + len(cohort.refused) - len(kept.scans):
        print_text(f"audited without the {left} scans that the run excluded, see refused.csv")
    return kept


def _with_shuffled_labels(config: FrozenConfigDict) -> FrozenConfigDict:
    """Raises: UsageError if the config cannot be trained on shuffled labels."""
    changed = ConfigDict(config.to_dict())
    changed.cohort.shuffle = True
    return settings.resolve(changed)


def _train_on_shuffled_labels(
    config: FrozenConfigDict, workdir: Workdir, allow_refused: bool, max_hours: float | None
) -> None:
    configure_jax()
    cross_validate(config, workdir, allow_refused, max_hours)
    estimate = read_results(workdir.results)["metrics"]["roc_auc"]
    (low, high), value = estimate["ci95"], estimate["value"]
    found = f"on shuffled labels the AUC is {value:.3f}, its 95 % interval {low:.3f} to {high:.3f}"
    if low > 0.5:
        chance = "one interval in twenty does so by chance: another --config.seed tells"
        raise InputError(f"{workdir}: {found}, which lies above 0.5: test subjects leak into training, or {chance}")
    print_text(f"no leak: {found}, which " + ("holds 0.5" if high >= 0.5 else "does not hold 0.5 but lies below it"))


def _partitions(config: FrozenConfigDict, cohort: Cohort, workdir: Workdir | None) -> dict[str, np.ndarray]:
    """Returns the fold of every scan, by the name of the repeat if the cross-validation is repeated."""
    count = config.train.folds
    if workdir:
        found = [read_folds(run.folds, cohort, count) for run in workdir.repeats()]
    else:
        found = [make_folds(cohort, count, seed) for seed in repeat_seeds(config)]
    return {f"repeat_{repeat}" if len(found) > 1 else "": folds for repeat, folds in enumerate(found)}


def _find(cohort: Cohort, partitions: dict[str, np.ndarray], reading: Reading) -> list[Overlap]:
    scans, paths = cohort.scans, [scan.path for scan in cohort.scans]
    reduced = reduce_cohort(paths, reading)
    near = near_pairs(reduced.vectors)
    alike = {name: worth_comparing(near, scans, folds, reduced.digests) for name, folds in partitions.items()}
    confirmed = confirm(sorted({pair for pairs in alike.values() for pair in pairs}), paths, reading, reduced.mean)
    findings = []
    for name, folds in partitions.items():
        here = [pair for pair in confirmed if pair[:2] in alike[name]]
        found = find_subjects(scans, folds) + find_identical(scans, folds, reduced.digests)
        found += find_near(scans, folds, here)
        findings += [finding._replace(text=f"{name} {finding.text}".strip()) for finding in found]
    return findings


def _print_associations(cohort: Cohort, seed: int) -> None:
    """Prints the tests of the label against each confounder, with one entry a subject, from its first scan."""
    firsts = list({scan.subject: scan for scan in reversed(cohort.scans)}.values())
    labels = np.array([int(scan.label == cohort.labels[1]) for scan in firsts])
    columns = {name: [scan.column(name) for scan in firsts] for name in CONFOUNDERS}
    for found in find_associations(labels, columns, seed):
        p = f"permutation p = {found.p:.4f}, {found.corrected:.4f} after Holm's correction"
        print_text(f"label and {found.column}: {p} ({found.subjects} subjects)")
        if found.significant:
            warning = f"warning: the label is associated with {found.column} (p below {LEVEL})"
            print_text(f"{warning}: a network may learn that instead of the disease")
