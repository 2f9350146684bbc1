"""DeLong, McNemar, Holm and the paired bootstrap against R's pROC, plain loops and other ways to the same number."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import norm

from dynjax.evaluation.delong import auc_interval, delong_test, placements
from dynjax.evaluation.metrics import METRICS
from dynjax.evaluation.paired import ScoredRun, correct, holm, mcnemar_test, pair, paired_tests
from dynjax.evaluation.predictions import Prediction
from dynjax.evaluation.resampling import resamples

# 113 patients with a subarachnoid haemorrhage (Turck et al., Intensive Care Medicine 36, 2010; the dataset aSAH of R's
# pROC): a poor outcome, the WFNS grade, and S100 beta in hundredths of a microgram per litre.
POOR = (
    "00001101001011001011101000000000100110110000000001100010001010011101101111000110100000010000000000001111110001000"
)
WFNS = (
    "11113254125255125225211112121134214541425511241125521251222151125214524414121421232421451154221113125225552445111"
)
S100B = (
    "13 14 10 4 13 10 47 16 18 10 12 10 44 71 4 8 49 4 7 33 9 9 7 11 7 17 7 11 13 19 5 16 41 14 34 35 48 9 96 25 50 46 "
    "16 7 43 45 11 8 9 86 52 8 6 13 207 10 14 15 7 6 77 5 9 30 3 9 4 23 70 9 27 71 8 26 8 16 9 13 10 8 11 33 11 28 7 "
    "10 32 22 7 5 24 38 10 15 8 14 10 7 4 19 56 14 58 32 82 74 15 47 17 44 15 50 48"
)


@pytest.fixture
def patients():
    return np.array(list(POOR), int), np.array(list(WFNS), float), np.array(S100B.split(), float)


def two_models(n=50, seed=0, digits=2):
    """Labels and the correlated probabilities, with ties, of two models."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    shared = rng.normal(size=n)
    scores = (0.5 + 0.25 * (labels - 0.5) + 0.15 * (shared + rng.normal(size=n)) for _ in range(2))
    return labels, *(np.round(np.clip(score, 0, 1), digits) for score in scores)


def test_delongs_figures_are_those_of_pROC(patients):
    """roc.test there: p = 0.02718; areas 0.8237 and 0.7314; ci.auc: 0.6301-0.8326, not on the logit scale."""
    labels, wfns, s100b = patients
    assert delong_test(labels, wfns, s100b) == pytest.approx(0.0271757822291882, rel=1e-12)
    above, below = placements(labels, s100b)
    assert above.mean() == pytest.approx(0.731369, abs=1e-6) and placements(labels, wfns)[1].mean() == pytest.approx(
        0.823679, abs=1e-6
    )
    error = math.sqrt(above.var(ddof=1) / 41 + below.var(ddof=1) / 72)
    np.testing.assert_allclose(above.mean() + np.array([-1.959964, 1.959964]) * error, [0.6301, 0.8326], atol=5e-5)
    odds, half = above.mean() / (1 - above.mean()), 1.959964 * error / (above.mean() * (1 - above.mean()))
    expected = [odds * math.exp(sign * half) / (1 + odds * math.exp(sign * half)) for sign in (-1, 1)]
    np.testing.assert_allclose(auc_interval(labels, s100b), expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_delongs_test_is_that_of_its_definition(seed):
    """Every positive against every negative, and the covariance of the two areas."""
    labels, *scores = two_models(seed=seed, digits=1)
    beats = [np.sign(s[labels == 1][:, None] - s[labels == 0][None]) / 2 + 0.5 for s in scores]
    positives, negatives = (
        np.cov([b.mean(axis) for b in beats]) / b.shape[1 - axis] for axis, b in ((1, beats[0]), (0, beats[0]))
    )
    covariance = positives + negatives
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    z = (beats[0].mean() - beats[1].mean()) / math.sqrt(variance)
    assert delong_test(labels, *scores) == pytest.approx(2 * norm.sf(abs(z)), rel=1e-9)


def test_delongs_test_where_there_is_nothing_to_test():
    labels, first, _ = two_models()
    assert delong_test(labels, first, first) == delong_test(labels, first, first**2) == 1
    assert delong_test(labels, labels * 1.0, 1.0 - labels) is None
    assert delong_test(np.ones(50), first, first) is None


@pytest.mark.parametrize("only_first, only_second", [(0, 0), (0, 5), (1, 8), (5, 5), (12, 3), (40, 20)])
def test_mcnemars_test_is_the_sum_of_binomial_probabilities(only_first, only_second):
    right = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [9, only_first, only_second, 4], axis=0).astype(bool).T
    n, fewer = only_first + only_second, min(only_first, only_second)
    expected = min(1, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)
    assert mcnemar_test(*right) == mcnemar_test(*right[::-1]) == pytest.approx(expected)


def test_holms_correction_is_the_published_example_and_the_closed_test():
    """0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02; and Holm's is the closed test of Bonferroni's tests."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    p = np.random.default_rng(0).random(6) ** 3
    subsets = [subset for size in range(1, 7) for subset in itertools.combinations(range(6), size)]
    closed = [max(min(1, len(s) * min(p[list(s)])) for s in subsets if index in s) for index in range(6)]
    assert holm(list(p)) == pytest.approx(closed)
    assert holm([0.02, None, 0.04]) == [0.04, None, 0.04] and holm([]) == [] and holm([0.9, 0.8]) == [1, 1]


def test_differences_and_their_intervals():
    """Second minus first; the interval is of the difference by subject, and swaps with the order."""
    labels, first, second = two_models(n=80)
    accuracy, roc_auc = paired_tests(labels, first, second)
    for name, test in (("accuracy", accuracy), ("roc_auc", roc_auc)):
        values = [METRICS[name](labels, each, np.ones(80)) for each in (first, second)]
        assert test.difference == pytest.approx(values[1] - values[0])
        assert test.ci95[0] < test.difference < test.ci95[1]
        weights = np.concatenate(list(resamples(labels, 0)))
        spread = (METRICS[name](labels, second, weights) - METRICS[name](labels, first, weights)).std()
        assert test.ci95[1] - test.ci95[0] == pytest.approx(2 * 1.96 * spread, rel=0.1)
    swapped = paired_tests(labels, second, first)
    for test, other in zip((accuracy, roc_auc), swapped):
        assert (test.difference, test.p) == pytest.approx((-other.difference, other.p))
        np.testing.assert_allclose(test.ci95, [-end for end in other.ci95[::-1]], atol=1e-9)
    same = paired_tests(labels, first, first)
    assert [(test.difference, test.p) for test in same] == [(0, 1), (0, 1)]


def test_p_values_of_equal_models_are_uniform():
    """Two models equally good, correlated as those of the same subjects are: one test in twenty finds a difference."""
    found = [delong_test(*two_models(n=60, seed=seed, digits=6)) < 0.05 for seed in range(500)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.03)


def rows(labels, probabilities, folds):
    names = [f"s{index:02d}" for index in range(len(labels))]
    return [
        Prediction(s, "1", int(f), ("CN", "AD")[y], float(p)) for s, f, y, p in zip(names, folds, labels, probabilities)
    ]


def answers(predictions, threshold=0.5):
    return ScoredRun(list(predictions), dict.fromkeys(range(5), threshold))


def test_each_run_calls_by_its_own_thresholds():
    labels, first, _ = two_models(n=60)
    predictions = rows(labels, first, np.arange(60) // 2 % 5)
    low, high = answers(predictions, 0.3), answers(predictions)
    low.thresholds[2] = 0.5
    calls = [np.array([row.probability >= run.thresholds[row.fold] for row in predictions]) for run in (high, low)]
    pairing = pair(high, low, "AD")
    assert pairing.accuracy.p == mcnemar_test(*(call == (labels == 1) for call in calls))
    assert pairing.accuracy.difference == pytest.approx(np.mean(calls[1] == labels) - np.mean(calls[0] == labels))
    assert pairing.accuracy.difference != 0 == pairing.roc_auc.difference


def test_pairs_are_of_the_folds_that_both_have():
    labels, first, second = two_models(n=60)
    folds = np.arange(60) // 2 % 5
    whole, part = rows(labels, first, folds), rows(labels, second, folds)[::-1]
    part = [row for row in part if row.fold in (1, 3)]
    pairing = pair(answers(whole), answers(part), "AD")
    both = np.isin(folds, (1, 3))
    expected = paired_tests(labels[both], first[both], second[both])
    assert (pairing.folds, pairing.n_subjects) == ([1, 3], 24)
    assert (pairing.accuracy.p, pairing.roc_auc.p) == pytest.approx([test.p for test in expected])
    assert (pairing.accuracy.difference, pairing.roc_auc.difference) == pytest.approx([t.difference for t in expected])


def test_what_is_no_pair_says_why():
    labels, first, second = two_models(n=20)
    folds = np.arange(20) // 2 % 5
    ours, theirs = rows(labels, first, folds), rows(labels, second, folds)
    with pytest.raises(ValueError, match="share no evaluated fold"):
        pair(answers(row for row in ours if row.fold < 2), answers(row for row in theirs if row.fold > 1), "AD")
    for other in (theirs[:-1], rows(1 - labels, second, folds), rows(labels, second, (folds + 1) % 5)):
        with pytest.raises(ValueError, match="scans, folds or labels differ"):
            pair(answers(ours), answers(other), "AD")
    with pytest.raises(ValueError, match="only one label"):
        pair(answers(ours), answers(theirs), "MCI")


def test_the_family_is_every_test():
    labels, first, second = two_models(n=60)
    third = np.random.default_rng(9).random(60)
    folds = np.arange(60) % 3
    one, *others = (answers(rows(labels, each, folds)) for each in (first, second, third))
    pairings = [pair(one, other, "AD") for other in others]
    tests = [test for pairing in correct(pairings) for test in (pairing.accuracy, pairing.roc_auc)]
    assert [test.p_holm for test in tests] == holm([test.p for test in tests])
    lowest = min(tests, key=lambda test: test.p)
    assert lowest.p_holm == pytest.approx(4 * lowest.p) and lowest.p < 0.05
