"""How far a scan lies from a cohort: the p value is honest, and the ends of a cohort set the bounds."""

import numpy as np
import pytest

from dynjax.guard.deviation import FEWEST, REFUSED, WARNED, judge, make_reference

LEAST, ONE_SIDED = np.array([0.1, 0.1, 0.1]), np.array([True, False, False])


def reference(count=100, seed=0):
    rng = np.random.default_rng(seed)
    return make_reference(rng.standard_t(5, (count, 3)), np.arange(count) % 5, LEAST, ONE_SIDED)


def test_p_values_of_scans_of_the_same_cohort_are_uniform():
    p = []
    for seed in range(20):
        scans = np.random.default_rng([1, seed]).standard_t(5, (50, 1, 3)).repeat(5, axis=1)
        p += [judge(reference(100, seed), of_scan).p for of_scan in scans]
    for level in (0.02, 0.1, 0.5):
        assert np.mean(np.array(p) <= level) == pytest.approx(level, abs=0.04)


@pytest.mark.parametrize(
    ("times", "verdict"), [(0.9 * WARNED, "ok"), (1.1 * WARNED, "warning"), (1.1 * REFUSED, "refused")]
)
def test_the_verdict_follows_the_cohorts_own_far_end(times, verdict):
    usual = reference()
    far = usual.middle + usual.spread * [0, 0, times * usual.far_end]
    found = judge(usual, np.repeat(far[None], 5, 0))
    assert found.verdict == verdict
    assert found.deviation == pytest.approx(times * usual.far_end)
    assert found.deviations[2] > 0


def test_only_larger_values_of_a_one_sided_measure_count():
    usual = reference()
    low, high = (usual.middle + usual.spread * [sign * 1000, 0, 0] for sign in (-1, 1))
    assert judge(usual, low[None].repeat(5, 0)).verdict == "ok"
    assert judge(usual, high[None].repeat(5, 0)).verdict == "refused"


def test_a_measure_that_never_varies_has_a_smallest_spread():
    usual = make_reference(np.zeros((50, 3)), np.arange(50) % 5, LEAST, ONE_SIDED)
    assert judge(usual, np.full((5, 3), 0.1)).verdict == "ok"
    assert judge(usual, np.full((5, 3), 5.0)).verdict == "refused"


def test_a_small_cohort_is_too_few_to_judge():
    assert judge(reference(FEWEST - 1), np.full((5, 3), 1e6)).verdict == "unknown"
    assert judge(reference(FEWEST), np.full((5, 3), 1e6)).verdict == "refused"
