"""Makes cross-validation folds by subject, stratified by label, from a seed; writes them once and reads them back."""

import collections
from pathlib import Path

import numpy as np

from dynjax.cohort.scan import Cohort
from dynjax.csv_table import read_csv, write_csv
from dynjax.errors import InputError, UsageError, listed

FOLD_COLUMNS = ["subject", "session", "fold"]


def make_folds(cohort: Cohort, count: int, seed: int) -> np.ndarray:
    """Assigns a fold to each scan, int [N], the same for all scans of a subject.

    Raises: UsageError if a label has fewer than `count` subjects.
    """
    from sklearn.model_selection import StratifiedKFold  # slow to import, and a resumed run does not need it

    subjects = cohort.subjects
    fewest = min(list(subjects.values()).count(label) for label in cohort.labels)
    if count > fewest:
        raise UsageError(f"train.folds={count} needs {count} subjects of each label; one label has {fewest}")
    names, labels = list(subjects), list(subjects.values())
    fold_of: dict[str, int] = {}
    for fold, (_, test) in enumerate(StratifiedKFold(count, shuffle=True, random_state=seed).split(names, labels)):
        fold_of |= {names[index]: fold for index in test}
    return np.array([fold_of[scan.subject] for scan in cohort.scans])


def hold_out(cohort: Cohort, folds: np.ndarray, fold: int, seed: int) -> np.ndarray:
    """Holds out a fifth of a fold's training subjects of each label, as bool [N]: a function of seed and fold.

    Raises: UsageError if a label has fewer than two training subjects.
    """
    rng, held = np.random.default_rng([seed, fold]), set()
    for label in cohort.labels:
        scans = zip(cohort.scans, folds)
        in_training = [scan.subject for scan, own in scans if own != fold and scan.label == label]
        subjects = list(dict.fromkeys(in_training))  # each once, in the cohort's order
        if len(subjects) < 2:
            raise UsageError(f"fold {fold} needs 2 training subjects of {label} to hold one out, has {len(subjects)}")
        held |= set(rng.permutation(subjects)[: max(1, round(len(subjects) / 5))])
    return np.array([scan.subject in held for scan in cohort.scans])


def write_folds(path: Path, cohort: Cohort, folds: np.ndarray) -> None:
    """Writes folds.csv, one line for each scan."""
    write_csv(path, FOLD_COLUMNS, ((scan.subject, scan.session, fold) for scan, fold in zip(cohort.scans, folds)))


def read_folds(path: Path, cohort: Cohort, count: int) -> np.ndarray:
    """Reads the folds that `write_folds` wrote, int [N] in the order of the cohort's scans.

    Raises: InputError that lists every scan missing from either the file or the cohort, every fold beyond `count` or
    without a scan, and every subject in two folds.
    """
    try:
        rows = read_csv(path, FOLD_COLUMNS, lambda subject, session, fold: ((subject, session), int(fold)))
    except OSError:
        raise InputError(f"{path}: no such file; run train on this workdir first") from None
    written = dict(rows)
    if len(written) < len(rows):
        raise InputError(f"{path}: damaged: a scan is listed twice")
    problems = _wrong_folds(written, count)
    if problems:
        raise InputError(f"{path}: these folds cannot be used:\n{listed(problems)}")
    ids = [(scan.subject, scan.session) for scan in cohort.scans]
    problems = [f"not in the folds: subject {s}, session {t}" for s, t in ids if (s, t) not in written]
    problems += [f"no longer in the scan table: subject {s}, session {t}" for s, t in set(written) - set(ids)]
    if problems:
        advice = "the scan table has changed since this run began, or this version reads it otherwise"
        advice += "; start a new run with another --workdir"
        raise InputError(f"{path}: {advice}:\n{listed(sorted(problems))}")
    return np.array([written[pair] for pair in ids])


def _wrong_folds(written: dict[tuple[str, str], int], count: int) -> list[str]:
    used, folds_of = set(written.values()), collections.defaultdict(set)
    for (subject, _), fold in written.items():
        folds_of[subject].add(fold)
    problems = [f"fold {fold} does not exist, for train.folds={count}" for fold in sorted(used - set(range(count)))]
    problems += [f"fold {fold} has no scan" for fold in range(count) if fold not in used]
    for subject, own in folds_of.items():
        if len(own) > 1:
            problems.append(f"subject {subject} is in two folds: {', '.join(map(str, sorted(own)))}")
    return problems
