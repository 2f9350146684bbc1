"""What lies on both sides of a fold: a subject, or a volume, that is trained on in one fold and tested in another."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dynjax.audit.copies import Pair
from dynjax.cohort.scan import Scan


class Overlap(NamedTuple):
    """leak: whether more than one fold is concerned; a copy inside one fold counts twice but leaks nothing."""

    text: str
    leak: bool


def find_subjects(scans: Sequence[Scan], folds: np.ndarray) -> list[Overlap]:
    """Subjects in more than one fold, ids that differ in their spelling alone ('sub-01', 'SUB01', '1') taken as one."""
    people = _grouped(spelling(scan.subject) for scan in scans)
    several = [group for group in people if len({scans[index].subject for index in group}) > 1]
    one = [group for group in people if group not in several and len(set(folds[group])) > 1]
    findings = [_finding("one subject by several ids", group, scans, folds) for group in several]
    return findings + [_finding("one subject", group, scans, folds) for group in one]


def find_identical(scans: Sequence[Scan], folds: np.ndarray, digests: Sequence[str]) -> list[Overlap]:
    """Volumes of equal voxels that stand for more than one subject or in more than one fold."""
    groups = [group for group in _grouped(digests) if _strangers(group, scans, folds)]
    return [_finding("identical volumes", group, scans, folds) for group in groups]


def find_near(scans: Sequence[Scan], folds: np.ndarray, pairs: Iterable[Pair]) -> list[Overlap]:
    return [
        _finding(f"near-identical volumes (correlation {pair.correlation:.2f})", list(pair[:2]), scans, folds)
        for pair in pairs
    ]


def worth_comparing(
    pairs: Iterable[tuple[int, int]], scans: Sequence[Scan], folds: np.ndarray, digests: Sequence[str]
) -> list[tuple[int, int]]:
    """Of pairs that look alike, those of different voxels and not of one subject in one fold, who may look alike."""
    return [pair for pair in pairs if digests[pair[0]] != digests[pair[1]] and _strangers(list(pair), scans, folds)]


def spelling(subject: str) -> tuple:
    """An id without case, separators, BIDS's prefix and leading zeros: ('s', 1) for 'S01', 's-1' and 'sub-S_001'."""
    words = re.findall(r"[^\W\d_]+|\d+", subject.casefold())
    words = words[1:] if len(words) > 1 and words[0] == "sub" else words
    return tuple(int(word) if word.isdecimal() else word for word in words) or (subject,)


def _strangers(group: list[int], scans: Sequence[Scan], folds: np.ndarray) -> bool:
    return len({scans[index].subject for index in group}) > 1 or len(set(folds[group])) > 1


def _grouped(keys: Iterable) -> list[list[int]]:
    """Positions of equal keys, where there are several."""
    groups = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _finding(what: str, group: list[int], scans: Sequence[Scan], folds: np.ndarray) -> Overlap:
    lines = [f"subject {scans[i].subject}, session {scans[i].session}, fold {folds[i]}: {scans[i].path}" for i in group]
    return Overlap("\n    ".join([f"{what}:", *lines]), leak=len(set(folds[group])) > 1)
