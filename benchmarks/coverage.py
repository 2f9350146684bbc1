"""Measures by simulation how often 95 % intervals contain the true value: python -m benchmarks.coverage.

Half of the subjects have each label (`make coverage`). Their scores are normal with unit variance, and their
probabilities follow from the scores by Bayes' rule: the model is calibrated, and the true value of every metric known.
"""

import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy.special import expit, logit, ndtri

from dynjax.evaluation.delong import auc_interval
from dynjax.evaluation.intervals import WITHIN_FOLDS, estimate_all, estimate_within_folds, wilson
from dynjax.evaluation.metrics import METRICS, PROPORTIONS, confusion

SIZES = (40, 100, 400)
TRUTHS = (0.7, 0.8, 0.85, 0.9, 0.95)
REPLICATIONS = 10_000  # standard error of a cell: 0.2 points
REPLICATIONS_OF_ALL = 500  # with the bootstrap; standard error: 1 point
AUC_OF_ALL = 0.85
FOLDS = 5
COHORTS = 4000  # whose mean ECE is that which a cohort has on average
MEANS, LOWEST = (0.93, 0.97), 0.91
WITHIN_SMALL_FOLDS = 0.98  # highest mean within folds, whose intervals are somewhat too wide with few subjects in each


def draw(rng: np.random.Generator, n: int, separation: float) -> tuple[np.ndarray, np.ndarray]:
    """Draws labels [n], half of them 1, and probabilities [n] from scores whose means are `separation` apart."""
    labels = np.arange(n) % 2
    return labels, expit(separation * (rng.normal(size=n) + separation * (labels - 0.5)))


def accuracy_interval(labels: np.ndarray, probabilities: np.ndarray) -> list[float]:
    """Returns the 95 % Wilson interval of the accuracy."""
    return wilson(*PROPORTIONS["accuracy"](*confusion(labels, probabilities, np.ones(len(labels)))))


def within_folds_interval(labels: np.ndarray, probabilities: np.ndarray) -> list[float]:
    """Returns the 95 % interval of the AUC within FOLDS folds of equally good networks."""
    return estimate_within_folds(labels, probabilities, np.arange(len(labels)) // 2 % FOLDS)["ci95"]


def auc_separation(auc: float) -> float:
    """Returns how far the mean scores of the labels lie apart at a given AUC."""
    return float(np.sqrt(2) * ndtri(auc))


# The interval of a metric, and the separation of scores that gives the metric a true value.
FAST = {
    "accuracy": (accuracy_interval, lambda accuracy: 2 * ndtri(accuracy)),
    "roc_auc": (auc_interval, auc_separation),
    WITHIN_FOLDS: (within_folds_interval, auc_separation),
}


def coverage(cell: tuple[str, int, float], replications: int = REPLICATIONS) -> float:
    """Returns the share of simulated cohorts of (metric, n, truth) whose interval contains the truth."""
    name, n, truth = cell
    interval, separation = FAST[name][0], FAST[name][1](truth)
    rng = np.random.default_rng([n, round(1000 * truth)])
    held = 0
    for _ in range(replications):
        low, high = interval(*draw(rng, n, separation))
        held += low <= truth <= high
    return held / replications


def coverage_of_all(n: int, replications: int = REPLICATIONS_OF_ALL) -> dict[str, tuple[float, float]]:
    """Returns each metric's coverage at AUC_OF_ALL over cohorts with an interval, and the share of cohorts without."""
    separation = auc_separation(AUC_OF_ALL)
    truth = _population(separation) | {"ece": expected_ece(n, separation)}
    held: dict[str, list[bool | None]] = {name: [] for name in truth}
    rng = np.random.default_rng(n)
    for replication in range(replications):
        estimates = estimate_all(*draw(rng, n, separation), seed=replication)
        for name, value in truth.items():
            interval = estimates[name]["ci95"]
            held[name].append(None if interval is None else interval[0] <= value <= interval[1])
    given = {name: [each for each in cells if each is not None] for name, cells in held.items()}
    return {name: (float(np.mean(given[name])), 1 - len(given[name]) / replications) for name in truth}


def expected_ece(n: int, separation: float, stretch: float = 1.0, cohorts: int = COHORTS) -> float:
    """Returns the mean ECE of cohorts of n subjects, whose log odds are the calibrated ones times `stretch`."""
    rng = np.random.default_rng(n)
    found = [METRICS["ece"](*stretched(*draw(rng, n, separation), stretch), np.ones(n)) for _ in range(cohorts)]
    return float(np.mean(found))


def stretched(labels: np.ndarray, probabilities: np.ndarray, stretch: float) -> tuple[np.ndarray, np.ndarray]:
    """Multiplies the log odds of the probabilities by `stretch`: above 1, they are too extreme."""
    return labels, expit(stretch * logit(probabilities))


def _population(separation: float, count: int = 20_000) -> dict[str, float]:
    """Computes the true metrics from scores at normal quantiles, except the ECE: what it estimates depends on n."""
    labels, quantiles = np.repeat((0, 1), count), np.tile(ndtri((np.arange(count) + 0.5) / count), 2)
    probabilities = expit(separation * (quantiles + separation * (labels - 0.5)))
    everyone = np.ones(2 * count)
    return {name: float(metric(labels, probabilities, everyone)) for name, metric in METRICS.items() if name != "ece"}


def main() -> int:
    cells = [(name, n, truth) for name in FAST for n in SIZES for truth in TRUTHS]
    with ProcessPoolExecutor() as pool:
        shares = dict(zip(cells, pool.map(coverage, cells)))
        good = print_cells(shares)
        print_all(dict(zip(SIZES, pool.map(coverage_of_all, SIZES))))
    return 0 if good else 1


def print_cells(shares: dict[tuple[str, int, float], float]) -> bool:
    """Prints the coverage of accuracy and AUC in percent; returns whether all cells and means are within limits."""
    print(f"Share of {REPLICATIONS} simulated cohorts whose 95 % interval holds the truth, in percent\n", flush=True)
    print(f"{'':20} {'n':>4}  " + "".join(f"{truth:>7}" for truth in TRUTHS) + f"{'mean':>8}")
    good = True
    for name, n in dict.fromkeys(cell[:2] for cell in shares):
        row = [shares[name, n, truth] for truth in TRUTHS]
        highest = WITHIN_SMALL_FOLDS if name == WITHIN_FOLDS else MEANS[1]
        good &= min(row) >= LOWEST and MEANS[0] <= np.mean(row) <= highest
        print(f"{name:20} {n:>4}  " + "".join(f"{100 * share:7.1f}" for share in row) + f"{100 * np.mean(row):8.1f}")
    verdict = "holds" if good else "DOES NOT HOLD"
    within = f"{100 * MEANS[0]:.0f} to {100 * MEANS[1]:.0f} ({100 * WITHIN_SMALL_FOLDS:.0f} within folds)"
    print(f"\nMeans within {within}, no cell under {100 * LOWEST:.0f}: {verdict}")
    return good


def print_all(shares: dict[int, dict[str, tuple[float, float]]]) -> None:
    """Prints the coverage of every metric, a column for each cohort size."""
    print(f"\nEvery metric at a true AUC of {AUC_OF_ALL}, {REPLICATIONS_OF_ALL} cohorts (in brackets: no interval)\n")
    print(f"{'':30}" + "".join(f"{f'n = {n}':>14}" for n in shares))
    for name in next(iter(shares.values())):
        columns = [shares[n][name] for n in shares]
        print(f"{name:30}" + "".join(f"{100 * held:7.1f} ({100 * none:4.1f})" for held, none in columns))


if __name__ == "__main__":
    sys.exit(main())
