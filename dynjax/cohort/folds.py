"""Cross-validation folds: by subject, stratified by label, a function of the seed; written down once and read back."""

import collections
from pathlib import Path

import numpy as np

from dynjax.cohort.scan import Cohort
from dynjax.csv_table import read_csv, write_csv
from dynjax.errors import InputError, UsageError, listed

FOLD_COLUMNS = ["subject", "session", "fold"]


def make_folds(cohort: Cohort, count: int, seed: int) -> np.ndarray:
    """The fold of each scan, int [N]: all scans of a subject share one. Raises: UsageError for too few subjects."""
    from sklearn.model_selection import StratifiedKFold  # slow to import, and a resumed run reads its folds

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
    """A fifth of the subjects that a fold is trained on, of either label, as bool [N]: a function of seed and fold.

    Raises: UsageError where a label has fewer than two such subjects.
    """
    rng, held = np.random.default_rng([seed, fold]), set()
    for label in cohort.labels:
        scans = zip(cohort.scans, folds)
        subjects = list(dict.fromkeys(s.subject for s, own in scans if own != fold and s.label == label))
        if len(subjects) < 2:
            raise UsageError(f"fold {fold} has {len(subjects)} training subject of {label}: too few to hold one out")
        held |= set(rng.permutation(subjects)[: max(1, round(len(subjects) / 5))])
    return np.array([scan.subject in held for scan in cohort.scans])


def write_folds(path: Path, cohort: Cohort, folds: np.ndarray) -> None:
    """Writes folds.csv, a line a scan."""
    write_csv(path, FOLD_COLUMNS, ((scan.subject, scan.session, fold) for scan, fold in zip(cohort.scans, folds)))


def read_folds(path: Path, cohort: Cohort, count: int) -> np.ndarray:
    """The folds as written, in the order of the cohort's scans.

    Raises: InputError that lists every scan which only one of the file and the cohort has, every fold beyond `count`
    or without a scan, and every subject that stands in two folds.
    """
    try:
        rows = read_csv(path, FOLD_COLUMNS, lambda subject, session, fold: ((subject, session), int(fold)))
    except OSError:
        raise InputError(f"{path}: no such file; run train on this workdir first") from None
    written = dict(rows)
    if len(written) < len(rows):
        raise InputError(f"{path}: damaged: a scan stands there twice")
    if problems := _wrong_folds(written, count):
        raise InputError(f"{path}: these folds cannot be used:\n{listed(problems)}")
    ids = [(scan.subject, scan.session) for scan in cohort.scans]
    problems = [f"not in the folds: subject {s}, session {t}" for s, t in ids if (s, t) not in written]
    problems += [f"no longer in the scan table: subject {s}, session {t}" for s, t in set(written) - set(ids)]
    if problems:
        advice = "the scan table has changed since this run began; start anew with another --workdir"
        raise InputError(f"{path}: {advice}:\n{listed(sorted(problems))}")
    return np.array([written[pair] for pair in ids])


def _wrong_folds(written: dict[tuple[str, str], int], count: int) -> list[str]:
    used, folds_of = set(written.values()), collections.defaultdict(set)
    for (subject, _), fold in written.items():
        folds_of[subject].add(fold)
    problems = [f"there is no fold {fold}, for train.folds={count}" for fold in sorted(used - set(range(count)))]
    problems += [f"fold {fold} has no scan" for fold in range(count) if fold not in used]
    return problems + [
        f"subject {subject} stands in two folds: {', '.join(map(str, sorted(own)))}"
        for subject, own in folds_of.items()
        if len(own) > 1
    ]
