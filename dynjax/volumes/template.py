"""Compares a volume on the grid with the MNI template: whether it is registered, and whether its skull is stripped."""

import functools
import hashlib
import io
import threading
import zipfile

import numpy as np

from dynjax.files import atomic_path, cache_folder, optional
from dynjax.volumes.finding import Finding
from dynjax.volumes.grid import Grid
from dynjax.volumes.intensity import intensity_range
from dynjax.volumes.outliers import STRIPPED
from dynjax.volumes.resampling import resample_smoothly

NAME = "ICBM 2009a nonlinear symmetric, of nilearn"  # Fonov et al. 2011, without skull
BRIGHT = 0.2  # of the range from the minimum to the 99th percentile: air, and most of the skull, is darker
LEAST_ALIKE = 0.4  # lowest correlation with the template, within its brain, of a registered T1-weighted scan
_LOADING = threading.Lock()


def unlike_the_template(volume: np.ndarray, grid: Grid) -> tuple[Finding, ...]:
    """Returns a finding if a volume [X, Y, Z] on the grid is less like the template than a registered scan is."""
    similarity = likeness_to_template(volume, grid)
    if similarity >= LEAST_ALIKE:
        return ()
    return (Finding("template", f"its correlation with the template, within the brain, is {similarity:.2f}"),)


def with_skull(volume: np.ndarray, grid: Grid) -> tuple[Finding, ...]:
    """Returns a finding if what is bright in a volume [X, Y, Z] on the grid fills more than a brain does."""
    low, extent = intensity_range(volume)
    bright = np.count_nonzero(volume > low + BRIGHT * extent)
    litres = bright * grid.spacing**3 / 1e6
    if litres <= STRIPPED:
        return ()
    return (
        Finding("skull", f"what is bright in it fills {litres:.1f} l, more than a brain: is its skull not stripped?"),
    )


def likeness_to_template(volume: np.ndarray, grid: Grid) -> float:
    """Returns Pearson's correlation of a volume on the grid with the template within its brain, 0 if it is constant."""
    template = template_on(grid)
    brain = template > 0
    return correlate(volume[brain], template[brain])


def correlate(one: np.ndarray, other: np.ndarray) -> float:
    """Returns Pearson's correlation of two lists of values, 0 if either is constant."""
    if not (one.size and one.std() > 0 and other.std() > 0):
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def template_on(grid: Grid) -> np.ndarray:
    """Returns the template on the grid, float32 [X, Y, Z], 0 outside the brain; the cache keeps it."""
    with _LOADING:  # the first of several threads loads it for all
        return _template_on(grid)


@functools.lru_cache(maxsize=4)
def _template_on(grid: Grid) -> np.ndarray:
    key = hashlib.sha256(repr((NAME, *grid)).encode()).hexdigest()[:16]
    path = cache_folder() / "template" / f"{key}.npz"
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            return stored["template"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # missing or damaged: it is made
        template = _make(grid)
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, template=template)
    with optional(), atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())
    return template


def _make(grid: Grid) -> np.ndarray:
    from nilearn import datasets  # slow to import

    image, mask = datasets.load_mni152_template(resolution=1), datasets.load_mni152_brain_mask(resolution=1)
    brain = np.asarray(mask.dataobj, np.float32)
    template, inside = (
        resample_smoothly(np.asfortranarray(data, np.float32), image.affine, grid)
        for data in (image.get_fdata(), brain)
    )
    return np.where(inside > 0.5, np.maximum(template, np.finfo(np.float32).tiny), 0).astype(np.float32)
