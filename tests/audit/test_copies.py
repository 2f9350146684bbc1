"""Copies of volumes: found whatever the scale, noise and number, and strangers are not taken for copies."""

import time

import numpy as np
import pytest

from dynjax.audit.copies import confirm, near_pairs, reduce_cohort, remove_mean
from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.volumes.blocks import SIDE, block_means
from dynjax.volumes.reading import Reading


def heads(rng, count, size):
    """Vectors that share a mean, differ by a few modes as people do, and have noise of their own."""
    modes = rng.standard_normal((30, size), np.float32)
    own = rng.standard_normal((count, 30), np.float32) @ modes + rng.standard_normal((count, size), np.float32)
    return 20 * rng.standard_normal(size, np.float32) + own


@pytest.mark.parametrize(("count", "size"), [(30, 512), pytest.param(10000, SIDE**3, id="10,000 in a minute")])
def test_planted_copies_are_found_and_nothing_else(count, size):
    rng = np.random.default_rng(0)
    vectors = heads(rng, count, size)
    vectors[4] = 2.5 * vectors[count - 3] + 7  # another scanner's scale
    vectors[11] = vectors[9] + rng.normal(0, 0.5, size)
    vectors[count - 2] = vectors[count - 6] + rng.normal(0, 0.5, size)  # of 10,000, both in the last block
    start = time.perf_counter()
    assert near_pairs(vectors) == [(4, count - 3), (9, 11), (count - 6, count - 2)]
    assert time.perf_counter() - start < 60  # it takes two seconds on two cores


def test_pairs_are_those_of_the_full_matrix_of_correlations():
    """The sketches miss none, on either side of a bound in the middle of all correlations."""
    rng = np.random.default_rng(1)
    vectors = heads(rng, 200, 600)
    for bound in (0.3, 0.5):
        residuals = remove_mean(vectors)
        products = residuals @ residuals.T
        expected = {(i, j) for i, j in zip(*np.nonzero(products >= bound)) if i < j}
        assert len(expected) > 20 and set(near_pairs(vectors, bound)) == expected


def test_residuals_are_partial_correlations():
    rng = np.random.default_rng(2)
    x, y, mean = rng.standard_normal((3, 400)) + 3 * rng.standard_normal(400)
    fits = [np.polyfit(mean, values, 1) for values in (x, y)]
    expected = np.corrcoef(x - np.polyval(fits[0], mean), y - np.polyval(fits[1], mean))[0, 1]
    first, second = remove_mean(np.stack([x, 4 * y - 9]), mean - mean.mean())
    assert first @ second == pytest.approx(expected, abs=1e-6)
    assert (remove_mean(np.ones((2, 5))) == 0).all(), "nothing is left of equal vectors"


def test_block_means_of_sizes_that_do_not_divide():
    volume = np.asfortranarray(np.random.default_rng(3).standard_normal((33, 48, 110)).astype(np.float32))
    means = block_means(volume).reshape(SIDE, SIDE, SIDE)
    assert means[0, 0, 0] == pytest.approx(volume[:2, :3, :6].mean(), abs=1e-6)
    assert means[-1, 4, 2] == pytest.approx(volume[-3:, 12:15, 13:20].mean(), abs=1e-6)


def test_strangers_of_the_phantom_cohort_stay_below_the_bounds():
    paths = [scan.path for scan in load_cohort(phantom_cohort(12)).scans]
    reduced = reduce_cohort(paths, Reading())
    assert len(set(reduced.digests)) == 12 and near_pairs(reduced.vectors) == []
    everyone = [(i, j) for i in range(12) for j in range(i)]
    assert confirm(everyone, paths, Reading(), reduced.mean) == []
