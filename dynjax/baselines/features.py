"""What a baseline sees of a cohort: a few numbers a scan or, for the voxels, the scalar products of pairs of scans."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.cohort.scan import Cohort
from dynjax.errors import InputError, listed
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import load_volume
from dynjax.work.parallel import map_scans

BLOCK = 64  # volumes in memory at a time, twice
SLAB = 2**18  # voxels multiplied in float32 before their sum is carried on in float64

# Where in the range from a T1 volume's minimum, background, to its 99th percentile, white matter, the head begins and
# where grey matter does, above fluid.
HEAD, TISSUE = 0.1, 0.5


class Features(NamedTuple):
    """values: [N, F], float or text; of 'svm_voxels' the scalar products of the volumes, float64 [N, N].

    size: how many numbers stand for a scan, which a linear model has a coefficient for each of.
    """

    values: np.ndarray
    size: int


def voxels(cohort: Cohort, grid: Grid) -> Features:
    """Scalar products of the volumes, each divided by its own length, which takes out the scale of intensity."""
    products = gram_matrix([scan.path for scan in cohort.scans], grid)
    lengths = np.sqrt(np.diag(products))
    return Features(products / np.outer(lengths, lengths), int(np.prod(grid.shape)))


def gram_matrix(paths: Sequence[Path], grid: Grid, block: int = BLOCK) -> np.ndarray:
    """float64 [N, N], read in blocks of volumes: 2 * block volumes in memory, each read about N / (2 block) times."""
    starts = range(0, len(paths), block)
    products = np.empty((len(paths), len(paths)))
    for part, start in enumerate(starts, 1):
        one = slice(start, start + block)
        rows = _read(paths[one], grid, f"reading scans, part {part} of {len(starts)}")
        products[one, one] = _products(rows, rows)
        for other_start in starts[part:]:
            other = slice(other_start, other_start + block)
            columns = _read(paths[other], grid, f"  against part {other_start // block + 1}")
            products[one, other] = _products(rows, columns)
            products[other, one] = products[one, other].T
    return products


def age_and_sex(cohort: Cohort, grid: Grid) -> Features:
    """Age in years and sex as the scan table has them. Raises: InputError that lists every subject without one."""
    problems = [
        f"subject {scan.subject}, session {scan.session}: {name} {scan.column(name)!r}"
        for scan in cohort.scans
        for name in ("age", "sex")
        if not (_is_number(scan.column(name)) if name == "age" else scan.column(name))
    ]
    if problems:
        need = "the baseline age_sex needs the age, a number, and the sex of every scan in the scan table"
        raise InputError(f"{cohort.source}: {need}:\n{listed(problems)}")
    return Features(np.array([[float(scan.age), scan.sex] for scan in cohort.scans], object), 2)


def brain_volume(cohort: Cohort, grid: Grid) -> Features:
    """Millilitres of grey and white matter, by a threshold; skull and scalp count too where they are not stripped."""
    millilitres = grid.spacing**3 / 1000
    return _numbers(cohort, grid, lambda volume: millilitres * np.count_nonzero(_brighter(volume, TISSUE)))


def mean_intensity(cohort: Cohort, grid: Grid) -> Features:
    """The mean over all that is not background, in the file's own units."""
    return _numbers(cohort, grid, lambda volume: volume[_brighter(volume, HEAD)].mean(dtype=np.float64))


FEATURES: dict[str, Callable[[Cohort, Grid], Features]] = {
    "svm_voxels": voxels,
    "age_sex": age_and_sex,
    "brain_volume": brain_volume,
    "mean_intensity": mean_intensity,
}
BASELINES = tuple(FEATURES)


def _numbers(cohort: Cohort, grid: Grid, measure: Callable[[np.ndarray], float]) -> Features:
    paths = [scan.path for scan in cohort.scans]
    values = map_scans(lambda path: measure(load_volume(path, grid).data), paths, "reading scans")
    return Features(np.array(values, np.float64)[:, None], 1)


def _brighter(volume: np.ndarray, share: float) -> np.ndarray:
    low, high = volume.min(), np.percentile(volume, 99)
    return volume > low + share * (high - low)


def _read(paths: Sequence[Path], grid: Grid, description: str) -> np.ndarray:
    """float32 [len(paths), X Y Z]"""
    return np.stack(map_scans(lambda path: load_volume(path, grid).data.ravel(order="F"), paths, description))


def _products(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    slabs = [slice(start, start + SLAB) for start in range(0, rows.shape[1], SLAB)]
    return np.sum([(rows[:, slab] @ columns[:, slab].T).astype(np.float64) for slab in slabs], axis=0)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
