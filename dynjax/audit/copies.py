"""Scans that are copies of one another, whatever their files are called: equal voxels, or nearly equal volumes.

Two scans are near-identical when their volumes correlate after the cohort's mean volume is removed, which all heads
have in common. The search is by reduced volumes, block means that noise hardly touches, and what it finds is confirmed
on the volumes themselves.
"""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import load_volume
from dynjax.work.parallel import map_scans, parallel_map

SIDE = 16  # blocks along each axis of a reduced volume
SKETCH = 256  # numbers by which reduced volumes are searched
ROWS = 1024  # sketches that are compared with all others at a time

# Phantom subjects differ by a few modes: the most alike of 500,000 pairs correlate at 0.87 reduced and 0.79 in full. A
# copy with as much noise again as the scan itself has stands at 1.00 and 0.96, one with twice that at 1.00 and 0.86.
# Reduced volumes tell copies from strangers better, and so have the higher bound.
REDUCED_BOUND = 0.95
BOUND = 0.85


class Reduced(NamedTuple):
    """The cohort as far as it is kept in memory.

    digests: sha256 of each volume on the grid. vectors: block means, float32 [N, SIDE^3]. mean: float32 [X Y Z], the
    mean of the standardised volumes.
    """

    digests: list[str]
    vectors: np.ndarray
    mean: np.ndarray


class Pair(NamedTuple):
    """Two scans, by their positions in the cohort, and the correlation of their volumes."""

    first: int
    second: int
    correlation: float


def reduce_cohort(paths: Sequence[Path], grid: Grid) -> Reduced:
    """Reads every scan once, in parallel; no more volumes are in memory than there are cores.

    Raises: InputError that lists every refused scan.
    """
    total, guard = np.zeros(np.prod(grid.shape)), threading.Lock()

    def reduce(path: Path) -> tuple[str, np.ndarray]:
        volume = load_volume(path, grid).data
        standard = _standardised(_flat(volume)[None])[0]
        with guard:
            np.add(total, standard, out=total)
        return hashlib.sha256(_flat(volume).data).hexdigest(), block_means(volume)

    digests, vectors = zip(*map_scans(reduce, paths, "reading scans"))
    return Reduced(list(digests), np.stack(vectors), (total / len(paths)).astype(np.float32))


def block_means(volume: np.ndarray, side: int = SIDE) -> np.ndarray:
    """A volume [X, Y, Z], each at least `side`, to the means of side^3 blocks: float32 [side^3]."""
    starts = [np.arange(side) * size // side for size in volume.shape]
    sums, counts = volume, [np.diff(start, append=size) for start, size in zip(starts, volume.shape)]
    for axis, start in enumerate(starts):
        sums = np.add.reduceat(sums, start, axis=axis)
    x, y, z = counts
    return (sums / (x[:, None, None] * y[:, None] * z)).astype(np.float32).ravel()


def near_pairs(vectors: np.ndarray, bound: float = REDUCED_BOUND) -> list[tuple[int, int]]:
    """All pairs of vectors [N, D] that correlate at `bound` or above once their common mean is removed.

    By random projections (Johnson and Lindenstrauss 1984) onto SKETCH directions, in which a correlation r is measured
    with a standard error of (1 - r^2) / sqrt(SKETCH); what comes within five of them of the bound is computed in full.
    N^2 SKETCH operations: a second or two for 10,000 vectors on two cores.
    """
    residuals = remove_mean(vectors)
    directions = np.random.default_rng(0).standard_normal((vectors.shape[1], SKETCH), np.float32)
    sketches = _normalised(residuals @ directions)
    lowest = bound - 5 * (1 - bound**2) / np.sqrt(SKETCH)
    pairs = []
    for start in range(0, len(vectors), ROWS):
        likely = sketches[start : start + ROWS] @ sketches[start:].T >= lowest
        pairs += [(start + int(i), start + int(j)) for i, j in zip(*np.nonzero(likely)) if i < j]
    return [(i, j) for i, j in pairs if residuals[i] @ residuals[j] >= bound]


def confirm(pairs: Sequence[tuple[int, int]], paths: Sequence[Path], grid: Grid, mean: np.ndarray) -> list[Pair]:
    """Those of the pairs whose volumes, read again, correlate at BOUND or above without the mean volume [X Y Z]."""

    def correlate(pair: tuple[int, int]) -> Pair:
        volumes = np.stack([_flat(load_volume(paths[index], grid).data) for index in pair])
        first, second = remove_mean(volumes, mean)
        return Pair(*pair, float(first @ second))

    measured = parallel_map(correlate, pairs, "comparing volumes that look alike") if pairs else []
    return [pair for pair in measured if pair.correlation >= BOUND]


def remove_mean(vectors: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
    """Vectors [N, D] as unit residuals of a least-squares fit by a constant and the mean vector [D].

    Their scalar products are partial correlations, which no scanner's scale of intensity enters. Without `mean`, that
    of the standardised vectors is taken.
    """
    standard = _standardised(vectors)
    mean = standard.mean(0) if mean is None else mean
    direction = _normalised(mean[None])[0]
    return _normalised(standard - (standard @ direction)[:, None] * direction)


def _standardised(vectors: np.ndarray) -> np.ndarray:
    return _normalised(vectors - vectors.mean(1, keepdims=True, dtype=np.float64).astype(np.float32))


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """Divided by their lengths; one without a length stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _flat(volume: np.ndarray) -> np.ndarray:
    return volume.ravel(order="F")  # a view: volumes have x fastest in memory
