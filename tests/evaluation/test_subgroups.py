"""Metrics by group: who is in which, and which groups are too small to say anything of."""

import numpy as np

from dynjax.evaluation.intervals import estimate_all
from dynjax.evaluation.subgroups import estimate_subgroups
from dynjax.report.results_table import print_subgroups, shown_subgroups

N = 30
LABELS = np.arange(N) % 2
PROBABILITIES = np.clip(0.5 + 0.3 * (LABELS - 0.5) + np.random.default_rng(0).normal(0, 0.2, N), 0, 1)
THRESHOLDS = np.full(N, 0.4)


def estimate(**columns):
    return estimate_subgroups(LABELS, PROBABILITIES, THRESHOLDS, columns, seed=0)


def test_a_groups_metrics_are_those_of_its_subjects():
    sex = ["F"] * 14 + ["M"] * 14 + ["", ""]
    women, men, unknown = estimate(sex=sex)
    own = np.array(sex) == "F"
    assert women["metrics"] == estimate_all(LABELS[own], PROBABILITIES[own], 0, 0.4)
    assert (women["group"], women["n"], women["n_positive"], women["note"]) == ("F", 14, 7, "")
    assert men["group"] == "M" and unknown["group"] == "not known"
    assert unknown["metrics"] is None and unknown["note"] == "too small: needs 5 subjects of either label"


def test_ages_are_cut_into_thirds():
    ages = [str(60 + index / 2) for index in np.random.default_rng(1).permutation(N)]
    ages[3] = "n/a"
    groups = {group["group"]: group["n"] for group in estimate(age=ages)}
    assert next(iter(groups)).startswith("up to") and list(groups)[2].startswith("above 69")
    assert len(groups) == 4 and groups.pop("not known") == 1 and set(groups.values()) <= {9, 10}
    assert estimate(age=[""] * N) == [] == estimate(site=["one"] * N)


def test_five_of_either_label_are_enough(capsys):
    site = ["a"] * 10 + ["b"] * 9 + ["c"] * 11
    found = estimate(site=site)
    assert [group["metrics"] is None for group in found] == [False, True, False]
    print_subgroups(found)
    printed = capsys.readouterr().out
    assert "too small" in printed and f"{found[0]['metrics']['roc_auc']['value']:.2f} (" in printed
    lines = [(line["group"], line["n"]) for line in shown_subgroups(estimate(site=["b"] * 9 + ["c"] * 2 + ["a"] * 19))]
    assert lines == [("a", 19), ("2 groups", 11)]
    print_subgroups([])
    assert not capsys.readouterr().out
