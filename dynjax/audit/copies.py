"""Finds scans that are copies of one another, whatever their files are called: identical or near-identical volumes.

Two scans are near-identical when their volumes correlate after the cohort's mean volume, which all heads share, is
removed. The search compares block means, which noise hardly changes; every hit is then confirmed on the full volumes.
"""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.volumes.blocks import block_means, normalised, standardised
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.reading import Reading
from dynjax.work.parallel import map_scans, parallel_map

SKETCH = 256  # random projections of a reduced volume, used to preselect pairs
ROWS = 1024  # sketches compared with all others at a time

# Measured on phantoms, whose subjects differ in a few modes only. The most similar of 500,000 pairs of subjects
# correlate at 0.87 reduced and 0.79 in full. A copy with as much added noise as the scan itself has correlates at 1.00
# and 0.96, one with twice that at 1.00 and 0.86. Reduced volumes separate copies from other subjects better, so their
# bound is higher.
REDUCED_BOUND = 0.95
BOUND = 0.85


class Reduced(NamedTuple):
    """The cohort's volumes in the reduced form that is kept in memory.

    digests: sha256 of each volume on the grid. vectors: block means, float32 [N, SIDE^3]. mean: the mean of the
    standardised volumes, float32 [X Y Z].
    """

    digests: list[str]
    vectors: np.ndarray
    mean: np.ndarray


class Pair(NamedTuple):
    """A pair of scans, given by their positions in the cohort, and the correlation of their volumes."""

    first: int
    second: int
    correlation: float


def reduce_cohort(paths: Sequence[Path], reading: Reading) -> Reduced:
    """Reads and reduces every scan once, in parallel, with at most one volume per core in memory.

    Raises: InputError that lists every refused scan.
    """
    total = np.zeros(np.prod(reading.grid.shape))  # [X Y Z]
    lock = threading.Lock()  # `reduce` runs in several threads, which share `total`

    def reduce(path: Path) -> tuple[str, np.ndarray]:
        volume = load_volume(path, *reading).data
        standard = standardised(_flat(volume)[None])[0]  # [X Y Z]
        with lock:
            np.add(total, standard, out=total)
        return hashlib.sha256(_flat(volume).data).hexdigest(), block_means(volume)

    digests, vectors = zip(*map_scans(reduce, paths, "reading scans"))
    return Reduced(list(digests), np.stack(vectors), (total / len(paths)).astype(np.float32))


def near_pairs(vectors: np.ndarray, bound: float = REDUCED_BOUND) -> list[tuple[int, int]]:
    """Returns all pairs (i, j), i < j, of vectors [N, D] that correlate at `bound` or above without their common mean.

    Random projections onto SKETCH directions (Johnson and Lindenstrauss 1984) estimate a correlation r with a standard
    error of (1 - r^2) / sqrt(SKETCH). Pairs estimated above the bound, or below it by at most five standard errors,
    are computed in full. This takes N^2 SKETCH operations: a second or two for 10,000 vectors on two cores.
    """
    residuals = remove_mean(vectors)  # [N, D]
    directions = np.random.default_rng(0).standard_normal((vectors.shape[1], SKETCH), np.float32)  # [D, SKETCH]
    sketches = normalised(residuals @ directions)  # [N, SKETCH]
    lowest = bound - 5 * (1 - bound**2) / np.sqrt(SKETCH)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(vectors), ROWS):
        likely = sketches[start : start + ROWS] @ sketches[start:].T >= lowest  # [ROWS, N - start]
        rows, columns = np.nonzero(np.triu(likely, k=1))  # above the diagonal: each pair once, no scan with itself
        pairs += zip((start + rows).tolist(), (start + columns).tolist())
    return [(i, j) for i, j in pairs if residuals[i] @ residuals[j] >= bound]


def confirm(pairs: Sequence[tuple[int, int]], paths: Sequence[Path], reading: Reading, mean: np.ndarray) -> list[Pair]:
    """Reads each pair of scans again and keeps those that correlate at BOUND or above without the mean [X Y Z]."""

    def correlate(pair: tuple[int, int]) -> Pair:
        volumes = np.stack([_flat(load_volume(paths[index], *reading).data) for index in pair])  # [2, X Y Z]
        first, second = remove_mean(volumes, mean)
        return Pair(*pair, float(first @ second))

    measured = parallel_map(correlate, pairs, "comparing volumes that look alike") if pairs else []
    return [pair for pair in measured if pair.correlation >= BOUND]


def remove_mean(vectors: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
    """Returns the unit residuals [N, D] of a least-squares fit of vectors [N, D] by a constant and the mean vector [D].

    Scalar products of the residuals are partial correlations, which do not depend on a scanner's intensity scale.
    Without `mean`, the mean of the standardised vectors is used.
    """
    standard = standardised(vectors)  # [N, D]
    mean = standard.mean(0) if mean is None else mean
    direction = normalised(mean[None])[0]
    along_mean = (standard @ direction)[:, None] * direction  # [N, D]
    return normalised(standard - along_mean)


def _flat(volume: np.ndarray) -> np.ndarray:
    """Flattens a volume [X, Y, Z] to [X Y Z]."""
    return volume.ravel(order="F")  # a view: volumes have x fastest in memory
