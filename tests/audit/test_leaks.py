"""What counts as one subject, and which copies are leaks."""

from pathlib import Path

import numpy as np
import pytest

from dynjax.audit.copies import Pair
from dynjax.audit.leaks import find_identical, find_near, find_subjects, spelling, worth_comparing
from dynjax.cohort.scan import Scan


def scans(*subjects):
    return [Scan(subject, f"v{i}", "CN", Path(f"{i}.nii")) for i, subject in enumerate(subjects)]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("S01", "s-1", True),
        ("sub-S_001", "s1", True),
        ("sub-07", "7", True),
        ("002_S_0413", "002-s-413", True),
        ("1_11", "11_1", False),
        ("S1", "S10", False),
        ("sub", "1", False),
        ("Łukasz 1", "łukasz_01", True),
        ("--", "++", False),
    ],
)
def test_ids_that_differ_in_spelling_alone(one, other, same):
    assert (spelling(one) == spelling(other)) == same


def test_a_subject_on_both_sides_is_named_with_its_folds():
    found = find_subjects(scans("a", "b", "b", "S1", "s01", "c", "C"), np.array([0, 1, 2, 1, 0, 2, 2]))
    assert [(finding.text.split(":")[0], finding.leak) for finding in found] == [
        ("one subject under several ids", True),
        ("one subject under several ids", False),
        ("one subject", True),
    ]
    assert "subject S1, session v3, fold 1: 3.nii\n    subject s01, session v4, fold 0: 4.nii" in found[0].text


def test_copies_leak_between_folds_and_are_no_news_inside_a_subject():
    people, folds = scans("a", "b", "c", "c", "d", "e"), np.array([0, 1, 2, 2, 1, 1])
    found = find_identical(people, folds, ["x", "x", "y", "y", "z", "z"])
    assert [finding.leak for finding in found] == [True, False]
    assert "subject a" in found[0].text and "subject e, session v5, fold 1" in found[1].text
    digests = ["x", "x", "1", "2", "3", "4"]
    pairs = worth_comparing([(0, 1), (0, 2), (2, 3), (4, 5)], people, folds, digests)
    assert pairs == [(0, 2), (4, 5)], "neither what is identical nor two visits of a subject"
    near = find_near(people, folds, [Pair(0, 2, 0.93)])
    assert near[0].leak and near[0].text.startswith("near-identical volumes (correlation 0.93):\n    subject a, ")
