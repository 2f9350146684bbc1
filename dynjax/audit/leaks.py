"""Finds leaks: a subject, or a copy of a volume, that is trained on in one fold and tested in another."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dynjax.audit.copies import Pair
from dynjax.cohort.scan import Scan


class Overlap(NamedTuple):
    """A subject or volume that occurs more than once, described in words.

    leak: whether it is in more than one fold. Within one fold it is counted twice, but nothing leaks.
    """

    text: str
    leak: bool


def find_subjects(scans: Sequence[Scan], folds: np.ndarray) -> list[Overlap]:
    """Finds subjects listed under several spellings of one id ('sub-01', 'SUB01', '1') or in several folds."""
    several_ids, several_folds = [], []
    for group in _grouped(spelling(scan.subject) for scan in scans):
        if len({scans[index].subject for index in group}) > 1:
            several_ids.append(_overlap("one subject under several ids", group, scans, folds))
        elif len(set(folds[group])) > 1:
            several_folds.append(_overlap("one subject", group, scans, folds))
    return several_ids + several_folds


def find_identical(scans: Sequence[Scan], folds: np.ndarray, digests: Sequence[str]) -> list[Overlap]:
    """Finds volumes of identical voxels, by their digests, in more than one subject or more than one fold."""
    groups = [group for group in _grouped(digests) if _is_suspect(group, scans, folds)]
    return [_overlap("identical volumes", group, scans, folds) for group in groups]


def find_near(scans: Sequence[Scan], folds: np.ndarray, pairs: Iterable[Pair]) -> list[Overlap]:
    """Describes each pair of near-identical volumes."""
    return [
        _overlap(f"near-identical volumes (correlation {pair.correlation:.2f})", list(pair[:2]), scans, folds)
        for pair in pairs
    ]


def worth_comparing(
    pairs: Iterable[tuple[int, int]], scans: Sequence[Scan], folds: np.ndarray, digests: Sequence[str]
) -> list[tuple[int, int]]:
    """Selects the pairs of similar scans to compare in full.

    Leaves out identical volumes, which `find_identical` reports, and scans of one subject in one fold, which are
    naturally similar.
    """
    return [pair for pair in pairs if digests[pair[0]] != digests[pair[1]] and _is_suspect(list(pair), scans, folds)]


def spelling(subject: str) -> tuple:
    """Strips an id of case, separators, BIDS's prefix and leading zeros: 'S01' and 'sub-S_001' give ('s', 1)."""
    words = re.findall(r"[^\W\d_]+|\d+", subject.casefold())
    words = words[1:] if len(words) > 1 and words[0] == "sub" else words
    return tuple(int(word) if word.isdecimal() else word for word in words) or (subject,)


def _is_suspect(group: list[int], scans: Sequence[Scan], folds: np.ndarray) -> bool:
    """Returns whether similar scans are of different subjects or in different folds."""
    return len({scans[index].subject for index in group}) > 1 or len(set(folds[group])) > 1


def _grouped(keys: Iterable) -> list[list[int]]:
    """Returns the positions of each key that occurs more than once."""
    groups = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _overlap(title: str, group: list[int], scans: Sequence[Scan], folds: np.ndarray) -> Overlap:
    """Describes a group of scans, given by their positions, with subject, session, fold and file."""
    lines = [f"subject {scans[i].subject}, session {scans[i].session}, fold {folds[i]}: {scans[i].path}" for i in group]
    return Overlap("\n    ".join([f"{title}:", *lines]), leak=len(set(folds[group])) > 1)
