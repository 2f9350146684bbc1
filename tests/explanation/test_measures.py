"""Measures of maps, on maps that are right, wrong and random; references and regions."""

import numpy as np
import pytest

from dynjax.explanation import measures
from dynjax.explanation.pattern import activation_pattern
from dynjax.explanation.reference import REFERENCES, Means, reference_volume
from dynjax.explanation.regions import describe_regions, sum_regions
from dynjax.run.attribution import METHODS
from dynjax.run.claims import CLAIMS, REFERENCE_TEXT, UNITS
from dynjax.volumes.intensity import intensity_range

RNG = np.random.default_rng(0)
CHANGE = np.zeros((20, 20, 20))
CHANGE[5:9, 5:9, 5:9] = -3
BRAIN = np.ones(CHANGE.shape, bool)


def test_agreement_of_claims_with_changes():
    changed = RNG.normal(size=30)
    right = measures.agreement(changed, changed)
    assert right.spearman == right.pearson == pytest.approx(1) and right.slope == pytest.approx(1)
    assert measures.agreement(-2 * changed, changed).slope == pytest.approx(-0.5)
    assert np.isnan(measures.agreement([1, 1, 1], [1, 2, 3]).spearman)


def test_a_map_of_the_change_itself_is_perfect():
    changed = measures.changed_voxels(CHANGE)
    assert (changed == (CHANGE != 0)).all()
    assert measures.localisation_auc(CHANGE, changed, BRAIN) > 0.99
    assert measures.rank_accuracy(CHANGE, changed) == measures.mass_accuracy(CHANGE, changed) == 1
    assert measures.sign_agreement(CHANGE, CHANGE, changed) == 1
    assert measures.sign_agreement(-CHANGE, CHANGE, changed) == 0


def test_a_random_map_is_at_chance():
    changed, noise = measures.changed_voxels(CHANGE), np.random.default_rng(4).normal(size=CHANGE.shape)
    assert abs(measures.localisation_auc(noise, changed, BRAIN) - 0.5) < 0.25
    assert measures.rank_accuracy(noise, changed) < 0.1
    assert measures.mass_accuracy(noise, changed) == pytest.approx(changed.mean(), abs=0.005)


def test_the_smallest_set_that_holds_most_of_the_change():
    change = np.array([5.0, -4.0, 0.5, 0.5, 0.0]).reshape(5, 1, 1)
    assert measures.changed_voxels(change).ravel().tolist() == [True, True, False, False, False]


def test_likeness_of_maps():
    one, other = RNG.normal(size=(2, 500))
    assert measures.likeness([one, one, one]) == pytest.approx(1)
    assert abs(measures.likeness([one, other])) < 0.15
    assert measures.likeness([one]) is measures.likeness([one, np.ones(500)]) is None


def test_deletion_of_what_matters_first_lowers_the_answer_sooner():
    weights = np.arange(1000.0).reshape(10, 10, 10)
    order = np.argsort(-weights.ravel())

    def area(order):
        volume, reference = np.ones((2, 10, 10, 10), np.float32) * [[[[1]]], [[[0]]]]
        return measures.deletion(lambda v: (v * weights).sum((1, 2, 3)), volume, reference, order, 10)

    assert area(order) < area(RNG.permutation(1000)) < area(order[::-1])


def means():
    negative = np.zeros((16, 16, 16), np.float32)
    negative[2:14, 2:14, 2:14] = 0.8
    positive = negative.copy()
    positive[6:10, 6:10, 6:10] = 0.4  # what the disease darkens
    noise = RNG.normal(0, 0.01, (2, 16, 16, 16)) * (negative > 0)
    return Means(*(np.maximum(0, np.stack([negative, positive]) + noise)).astype(np.float32))


@pytest.mark.parametrize("name", [name for name in REFERENCES if name != "middle"])
@pytest.mark.parametrize("gain", [1, 900.0])
def test_a_reference_undoes_the_disease_in_the_scan_s_own_intensities(name, gain):
    found = means()
    scan = (gain * (found.positive + RNG.normal(0, 0.02, found.positive.shape) * found.brain)).clip(0)
    scan = scan.astype(np.float32)
    reference = reference_volume(scan, *intensity_range(scan), found, name)
    ill, well = np.s_[7:9, 7:9, 7:9], np.s_[3:5, 3:5, 3:5]
    assert reference.dtype == np.float32 and reference.min() >= 0
    assert reference[ill].mean() - scan[ill].mean() > 0.15 * gain, "where the disease darkened it is brighter"
    assert abs(reference[well].mean() - scan[well].mean()) < 0.05 * gain


def test_every_reference_is_put_into_words():
    assert set(REFERENCE_TEXT) == set(REFERENCES)
    assert {*METHODS, "pattern"} == set(CLAIMS) == set(UNITS)


def test_a_z_scored_volume_has_no_reference():
    found = means()
    scan = found.positive - 0.6
    with pytest.raises(ValueError, match="z-scores"):
        reference_volume(scan, *intensity_range(scan), found, "negative")


def test_a_pattern_shows_what_varies_with_the_score_and_not_what_cancels_noise():
    signal, noise = RNG.normal(size=(2, 300))
    volumes = np.stack([signal + noise, noise], axis=-1).reshape(300, 2, 1, 1)
    scores = volumes[:, 0, 0, 0] - volumes[:, 1, 0, 0]  # the weights are 1 and -1
    pattern = activation_pattern(iter(volumes), scores)
    assert pattern.ravel()[0] == pytest.approx(1, abs=0.15) and abs(pattern.ravel()[1]) < 0.15


def test_regions_by_class():
    atlas = np.zeros((4, 4, 4), int)
    atlas[:2], atlas[3] = 1, 7
    targets = np.array([0, 0, 1, 1])
    maps = [np.full((4, 4, 4), value) for value in (1.0, 2.0, 4.0, 5.0)]
    sums = np.stack([sum_regions(values, atlas, [1, 7]) for values in maps])
    np.testing.assert_array_equal(sums[0], [32, 16])
    negative, positive, *_ = describe_regions(sums, targets, ("CN", "AD"), ["one", "seven"], [32, 16])
    assert (negative.label, positive.label, negative.name) == ("CN", "AD", "one")
    assert positive.density == 4.5 and positive.gain == pytest.approx(3) and negative.gain == 1
    mean, low, high = positive.total
    assert mean == 144 and low < 144 < high and high - 144 == pytest.approx(12.706 * 16, rel=1e-3)
