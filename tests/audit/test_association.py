"""Permutation tests: exact where an exact test exists, uniform under the null, blind to what says nothing."""

import numpy as np
import pytest
from scipy.stats import fisher_exact, kstest

from dynjax.audit.association import find_associations, permute_groups, permute_numbers


def test_two_by_two_is_fishers_exact_test():
    labels = np.repeat([0, 1], [20, 18])
    groups = np.array(list("F" * 14 + "M" * 6 + "F" * 6 + "M" * 12))
    assert permute_groups(labels, groups, 0) == pytest.approx(fisher_exact([[14, 6], [6, 12]]).pvalue, abs=0.01)


def test_p_values_of_noise_are_uniform():
    rng = np.random.default_rng(0)
    numbers = [permute_numbers(rng.permutation([0, 1] * 15), rng.normal(70, 8, 30), i) for i in range(60)]
    assert kstest(numbers, "uniform").pvalue > 0.01
    labels = [rng.permutation([0, 1] * 40) for _ in range(60)]
    groups = [permute_groups(each, rng.integers(0, 8, 80), i) for i, each in enumerate(labels)]
    assert kstest(groups, "uniform").pvalue > 0.01


def test_known_associations_are_found_and_corrected():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 40)
    columns = {
        "sex": rng.choice(["F", "M"], 80).tolist(),
        "age": [f"{70 + 8 * label + rng.normal(0, 5):.1f}" for label in labels],
        "site": [f"{label}{index % 2}" for index, label in enumerate(labels)],
    }
    found = {each.column: each for each in find_associations(labels, columns, 0)}
    assert [name for name, each in found.items() if each.significant] == ["age", "site"]
    assert found["age"].p == pytest.approx(2e-4, abs=1e-9), "none of 9999 permutations, either side of the difference"
    assert found["site"].corrected == pytest.approx(3 * found["site"].p)


def test_groups_of_one_unknown_values_and_empty_columns_are_ignored():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    columns = {
        "scanner": [""] * 8,
        "site": ["a", "b", "c", "d", "e", "f", "g", "h"],
        "sex": ["F", "F", "M", "M", "F", "M", "", "X"],
        "age": ["70", "", "x", "71", "80", "inf", "81", "79"],
    }
    found = {each.column: each for each in find_associations(labels, columns, 0)}
    assert {name: each.subjects for name, each in found.items()} == {"sex": 6, "age": 5}
