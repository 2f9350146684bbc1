"""The sentences about calibration, on people whose chances are known because they are simulated."""

import numpy as np
import pytest
from scipy.special import expit, logit

from dynjax.evaluation import resampling
from dynjax.evaluation.intervals import estimate_all
from dynjax.report.trust import calibration_sentences

RNG = np.random.default_rng(1)
TRUTH = expit(RNG.normal(0, 2.5, 500))
LABELS = (RNG.random(500) < TRUTH).astype(int)
NOISE = expit(RNG.normal(0, 2.5, 500))


def said(labels, probabilities):
    metrics = estimate_all(labels, probabilities, 0)
    return calibration_sentences(labels, probabilities, metrics, "had AD", "the network")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 300)


def test_good_probabilities_are_called_so():
    text = said(LABELS, TRUTH)
    high = TRUTH >= 0.8
    assert text.startswith("Yes, as far as these people can show.")
    assert f"Of {high.sum()} people called 80 % or more (on average {100 * TRUTH[high].mean():.0f} %), " in text
    assert f"{100 * LABELS[high].mean():.0f} % had AD (" in text
    assert "people called 20 % or less (on average 8 %), 6 % had AD (3 to 11)" in text


def test_overconfident_probabilities_are_called_so():
    text = said(LABELS, expit(3 * logit(TRUTH)))
    assert text.startswith("No: the network is surer than it should be")
    assert "people called 80 % or more (on average 97 %), 81 % had AD (75 to 86)" in text


def test_random_probabilities_are_called_so():
    text = said(LABELS, NOISE)
    assert text.startswith(
        "No: they say nothing here; of people with a high probability no more had AD than of others."
    )
    assert "people called 80 % or more (on average 92 %), 49 % had AD (41 to 57)" in text


@pytest.mark.parametrize(
    ("probabilities", "start"),
    [
        (expit(0.4 * logit(TRUTH)), "Not quite: the network is less sure than it could be"),
        (expit(logit(TRUTH) + 1), "Not quite: they are too high on the whole."),
        (expit(logit(TRUTH) - 1), "Not quite: they are too low on the whole."),
        (1 - TRUTH, "No: they point the wrong way."),
    ],
)
def test_other_faults_are_named(probabilities, start):
    assert said(LABELS, probabilities).startswith(start)


def test_few_people_tell_little():
    text = said(LABELS[:40], TRUTH[:40])
    assert text.startswith("These people cannot tell: they are too few, or their probabilities too much alike.")
    assert "people were called 20 % or less, too few to count." in text
    separated = said(np.arange(300) % 2, 0.4 + 0.2 * (np.arange(300) % 2))
    assert separated == "That cannot be told from these people. All probabilities lie between 40 and 60 %."
    one = said(LABELS[:40], np.where(np.arange(40) == 0, 0.9, 0.5))
    assert "Only 1 person was called 80 % or more, too few to count. Nobody was called 20 % or less." in one


def test_older_results_lack_the_slope():
    text = calibration_sentences(LABELS, TRUTH, {}, "had AD", "the network")
    assert text.startswith("That cannot be told from these people. Of ")
