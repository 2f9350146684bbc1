"""The features of each baseline: a few numbers per scan or, for SVMs, the scalar products of all pairs of scans."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.baselines.embedding import EMBEDDING
from dynjax.cohort.scan import Cohort
from dynjax.errors import InputError, listed
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.reading import Reading
from dynjax.work.parallel import map_scans

BLOCK = 64  # volumes; two such blocks are in memory at a time
SLAB = 2**18  # voxels multiplied in float32; the sum over slabs is float64

# Thresholds in the range from a T1 volume's minimum, background, to its 99th percentile, white matter. HEAD separates
# the head from background, TISSUE separates grey matter from fluid.
HEAD, TISSUE = 0.1, 0.5

Seen = Callable[[np.ndarray], np.ndarray]  # from a volume, float32 [X, Y, Z], to what is seen of it, the same


class Features(NamedTuple):
    """The features of a cohort's scans: numbers or text [N, F] or, for KERNELS, scalar products, float64 [N, N].

    size: how many numbers describe a scan; a linear model has one coefficient for each.
    """

    values: np.ndarray
    size: int


def voxels(cohort: Cohort, reading: Reading) -> Features:
    """Returns the scalar products of the volumes, each divided by its length to remove its intensity scale."""
    return _kernel(cohort, reading, _as_it_is)


def mask(cohort: Cohort, reading: Reading) -> Features:
    """Returns the scalar products of the heads without their intensities: 1 within the head, 0 in the background."""
    return _kernel(cohort, reading, lambda volume: _brighter(volume, HEAD).astype(np.float32))


def _kernel(cohort: Cohort, reading: Reading, seen: Seen) -> Features:
    products = gram_matrix([scan.path for scan in cohort.scans], reading, seen=seen)
    lengths = np.sqrt(np.diag(products))  # [N]
    return Features(products / np.outer(lengths, lengths), int(np.prod(reading.grid.shape)))


def _as_it_is(volume: np.ndarray) -> np.ndarray:
    return volume


def gram_matrix(paths: Sequence[Path], reading: Reading, block: int = BLOCK, seen: Seen = _as_it_is) -> np.ndarray:
    """Returns the scalar products of all pairs of volumes, or of what `seen` makes of each, float64 [N, N].

    Holds 2 * block volumes in memory, and so reads each volume about N / (2 block) times.
    """
    starts = range(0, len(paths), block)
    products = np.empty((len(paths), len(paths)))
    for part, start in enumerate(starts, 1):
        one = slice(start, start + block)
        rows = _read(paths[one], reading, seen, f"reading scans, part {part} of {len(starts)}")  # [block, X Y Z]
        products[one, one] = _products(rows, rows)
        for other_start in starts[part:]:  # later blocks only, since the matrix is symmetric
            other = slice(other_start, other_start + block)
            columns = _read(paths[other], reading, seen, f"  against part {other_start // block + 1}")
            products[one, other] = _products(rows, columns)
            products[other, one] = products[one, other].T
    return products


def age_and_sex(cohort: Cohort, reading: Reading) -> Features:
    """Returns age in years and sex from the scan table, [N, 2]. Raises: InputError that lists scans without them."""
    problems = []
    for scan in cohort.scans:
        who = f"subject {scan.subject}, session {scan.session}"
        if not _is_number(scan.column("age")):
            problems.append(f"{who}: age {scan.column('age')!r}")
        if not scan.column("sex"):
            problems.append(f"{who}: sex {scan.column('sex')!r}")
    if problems:
        need = "the baseline age_sex needs a numeric age and a sex for every scan in the scan table"
        raise InputError(f"{cohort.source}: {need}:\n{listed(problems)}")
    return Features(np.array([[float(scan.age), scan.sex] for scan in cohort.scans], object), 2)


def brain_volume(cohort: Cohort, reading: Reading) -> Features:
    """Measures grey and white matter in millilitres, by a threshold; skull and scalp count too unless stripped."""
    millilitres = reading.grid.spacing**3 / 1000
    return _numbers(cohort, reading, lambda volume: millilitres * np.count_nonzero(_brighter(volume, TISSUE)))


def mean_intensity(cohort: Cohort, reading: Reading) -> Features:
    """Measures the mean intensity of the head without background, in the file's own units."""
    return _numbers(cohort, reading, lambda volume: volume[_brighter(volume, HEAD)].mean(dtype=np.float64))


FEATURES: dict[str, Callable[[Cohort, Reading], Features]] = {
    "svm_voxels": voxels,
    "svm_mask": mask,
    "age_sex": age_and_sex,
    "brain_volume": brain_volume,
    "mean_intensity": mean_intensity,
}
KERNELS = ("svm_voxels", "svm_mask")
BASELINES = (*FEATURES, EMBEDDING)  # the vectors of an embedding are read from a file of their own


def _numbers(cohort: Cohort, reading: Reading, measure: Callable[[np.ndarray], float]) -> Features:
    """Measures one number per scan, [N, 1]."""
    paths = [scan.path for scan in cohort.scans]
    values = map_scans(lambda path: measure(load_volume(path, *reading).data), paths, "reading scans")
    return Features(np.array(values, np.float64)[:, None], 1)


def _brighter(volume: np.ndarray, share: float) -> np.ndarray:
    """Marks the voxels above `share` of the range from background to white matter, bool [X, Y, Z]."""
    low, high = volume.min(), np.percentile(volume, 99)
    return volume > low + share * (high - low)


def _read(paths: Sequence[Path], reading: Reading, seen: Seen, description: str) -> np.ndarray:
    """Reads what is seen of volumes as float32 [len(paths), X Y Z]."""
    return np.stack(map_scans(lambda path: seen(load_volume(path, *reading).data).ravel(order="F"), paths, description))


def _products(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Multiplies volumes [R, V] with volumes [C, V] slab by slab: float64 [R, C]."""
    slabs = [slice(start, start + SLAB) for start in range(0, rows.shape[1], SLAB)]
    return np.sum([(rows[:, slab] @ columns[:, slab].T).astype(np.float64) for slab in slabs], axis=0)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
