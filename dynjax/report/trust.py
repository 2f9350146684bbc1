"""Says in plain words whether probabilities mean what they say, from the people themselves."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynjax.evaluation.intervals import wilson
from dynjax.evaluation.numbers import refuse_nan
from dynjax.percent import in_100, percent

HIGH, LOW = 0.8, 0.2  # probabilities from which, and up to which, people are counted
FEWEST = 10  # people, below whom no share is stated
KNOWN = (0.5, 2.0)  # an interval of the calibration slope that reaches farther from 1 does not speak for calibration
WIDEST = 0.25  # nor does a wider interval of the share of positives


def calibration_sentences(
    labels: np.ndarray, probabilities: np.ndarray, metrics: Mapping[str, Any], positive: str, who: str
) -> str:
    """Says whether the probabilities can be taken at their word, and how many of those called likely were positive.

    Args:
        labels, probabilities: [N], one per subject.
        metrics: of results.json; older ones lack the calibration slope.
        positive: the positive class as it is said, such as 'had AD'.
        who: gave the probabilities, such as 'the network'.
    Raises: ValueError for NaN.
    """
    refuse_nan(labels=labels, probabilities=probabilities)
    high, low = probabilities >= HIGH, probabilities <= LOW  # [N]
    if not (high.any() or low.any()):
        ends = f"{in_100(probabilities.min())} and {percent(probabilities.max())}"
        return f"{_verdict(labels, probabilities, metrics, positive, who)} All probabilities lie between {ends}."
    called = [
        _share(labels[high], probabilities[high], f"{percent(HIGH)} or more", positive),
        _share(labels[low], probabilities[low], f"{percent(LOW)} or less", positive),
    ]
    return " ".join([_verdict(labels, probabilities, metrics, positive, who), *called])


def _verdict(labels: np.ndarray, probabilities: np.ndarray, metrics: Mapping[str, Any], positive: str, who: str) -> str:
    """Judges by whether the interval of the calibration slope leaves out 1, and that of the share of positives their
    mean probability. The interval of the calibration intercept is not used: it takes the share of positives as given.
    """
    low, high = (metrics.get("calibration_slope") or {}).get("ci95") or (None, None)
    mean, ends = probabilities.mean(), wilson(labels.sum(), len(labels))
    if low is not None and high is not None:
        if high < 0:
            return "No: they point the wrong way."
        if low <= 0 and high < 1:
            return f"No: they say nothing here; of people with a high probability no more {positive} than of others."
        if high < 1:
            return f"No: {who} is surer than it should be; its high probabilities are too high, its low ones too low."
        if low > 1:
            return f"Not quite: {who} is less sure than it could be; its probabilities are too close to the middle."
    if not ends[0] <= mean <= ends[1]:
        return f"Not quite: they are too {'high' if mean > ends[1] else 'low'} on the whole."
    if low is None or high is None:
        return "That cannot be told from these people."
    if low < KNOWN[0] or high > KNOWN[1] or ends[1] - ends[0] > WIDEST:
        return "These people cannot tell: they are too few, or their probabilities too much alike."
    return "Yes, as far as these people can show."


def _share(labels: np.ndarray, probabilities: np.ndarray, called: str, positive: str) -> str:
    """Says how many of the people with such probabilities were positive, with Wilson's interval."""
    count = len(labels)
    if count < FEWEST:
        many = {0: "Nobody was", 1: "Only 1 person was"}.get(count, f"Only {count} people were")
        return f"{many} called {called}{', too few to count' if count else ''}."
    low, high = wilson(labels.sum(), count)
    return (
        f"Of {count:,} people called {called} (on average {percent(probabilities.mean())}), "
        f"{percent(labels.mean())} {positive} ({in_100(low)} to {in_100(high)})."
    )
