"""One phantom subject: who it is, and how a scan of it looks.

Disease acts through one number, the severity, and the label acts through nothing else. What an image can tell about
the label is therefore bounded by what the severity tells: no method can exceed `best_auc(separation)`.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.special import expit, ndtr

from dynjax.cohort.phantom.anatomy import SHAPE, VOXEL, Anatomy

SEPARATION = 2.33  # mean severity of AD minus that of CN, in standard deviations
YEARLY_DECLINE = 0.15  # severity gained by a second visit a year later, whatever the label

# Millimetres that each structure's edge moves: mean, a unit of severity, deviation between people of equal severity.
VENTRICLES = (0.8, 0.60, 1.20)
TEMPORAL_HORNS = (2.6, 1.00, 0.65)
CORTEX = (0.9, 0.60, 0.30)
EDGE = 0.8  # mm over which a moved edge is blurred, about the template's own sharpness


class Subject(NamedTuple):
    number: int
    label: str
    severity: float
    age: int
    sex: str
    visits: int


class Stream:
    """The independent random streams of a subject: each thing drawn has its own, so that adding one disturbs none."""

    PERSON, SHAPE, SCAN, SKULL = range(4)


def best_auc(separation: float) -> float:
    """The AUC of the severity itself, Phi(d / sqrt 2) for N(0, 1) against N(d, 1): nobody can do better."""
    return float(ndtr(separation / np.sqrt(2)))


def draw_subjects(n: int, seed: int, labels=("CN", "AD")) -> list[Subject]:
    """Draws n subjects, 51 % of them of the first label as in the paper; age and sex tell nothing about the label."""
    diagnoses = np.random.default_rng([seed, n]).permutation(np.arange(n) >= round(0.51 * n))
    subjects = []
    for index, diseased in enumerate(diagnoses):
        rng = _rng(seed, index, Stream.PERSON)
        severity = rng.normal(SEPARATION if diseased else 0.0)
        age, sex = int(rng.integers(60, 90)), str(rng.choice(["F", "M"]))
        visits = 2 if rng.random() < 0.2 else 1
        subjects.append(Subject(index, labels[int(diseased)], float(severity), age, sex, visits))
    return subjects


def render_scan(subject: Subject, visit: int, seed: int, anatomy: Anatomy, skull: bool = False) -> np.ndarray:
    """Returns the scan as int16 of shape (110, 110, 110), RAS+, 2 mm; without skull the background is exactly 0."""
    severity = subject.severity + YEARLY_DECLINE * visit
    shape = _rng(seed, subject.number, Stream.SHAPE)
    scan = _rng(seed, subject.number, Stream.SCAN, visit)
    grey, white, fluid = _tissues(anatomy, severity, shape)
    warp = _coordinates(shape, scan)
    contrast = scan.normal((620.0, 900.0, 260.0), (12.0, 12.0, 15.0))  # grey, white, fluid
    ideal = contrast[0] * grey + contrast[1] * white + contrast[2] * fluid
    if skull:
        ideal += _head(anatomy, _rng(seed, subject.number, Stream.SKULL))
    image = ndimage.map_coordinates(ideal, warp, order=1, mode="constant")
    inside = image > (-1.0 if skull else 40.0)
    image *= np.exp(_smooth_field(scan, frequencies=4, deviation=0.03))
    return np.where(inside, _rician(image, 22.0, scan), 0).astype(np.int16)


def brain_of_scan(subject: Subject, visit: int, seed: int, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """What `render_scan` does not tell of a scan: its brain and fluid, bool [110, 110, 110], and what its voxels show.

    The latter are places in the anatomy, in voxels, [3, 110, 110, 110].
    """
    shape = _rng(seed, subject.number, Stream.SHAPE)
    _tissues(anatomy, subject.severity + YEARLY_DECLINE * visit, shape)  # draws first
    warp = _coordinates(shape, _rng(seed, subject.number, Stream.SCAN, visit))
    brain = anatomy.grey + anatomy.white + anatomy.fluid + _within(anatomy.to_ventricles, 0.0)
    return ndimage.map_coordinates(brain, warp, order=1) > 0.5, warp


def _rng(seed: int, index: int, stream: int, visit: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, index, stream, visit])


def _tissues(anatomy: Anatomy, severity: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Grey, white and fluid fractions after disease and individual variation have moved the three edges."""
    moved = [
        mean + unit * severity + rng.normal(0, spread) for mean, unit, spread in (VENTRICLES, TEMPORAL_HORNS, CORTEX)
    ]
    ventricles = _within(anatomy.to_ventricles, moved[0])
    horns = _within(anatomy.to_temporal_horns, moved[1])
    thinned = _within(anatomy.below_pia, moved[2])
    tissue = (1 - ventricles) * (1 - horns)
    grey, white = anatomy.grey * tissue, anatomy.white * tissue
    brain = anatomy.grey + anatomy.white + anatomy.fluid + _within(anatomy.to_ventricles, 0.0)
    white = white + np.clip(_within(anatomy.to_ventricles, 0.0) - ventricles, 0, 1) * (1 - horns)
    grey = grey * (1 - thinned)
    return grey, white, np.clip(np.minimum(brain, 1) - grey - white, 0, 1)


def _within(distance: np.ndarray, edge: float | np.ndarray) -> np.ndarray:
    """1 where distance < edge, 0 beyond, blurred over EDGE millimetres."""
    return expit((edge - distance) * (2 / EDGE))


def _coordinates(shape: np.random.Generator, scan: np.random.Generator) -> np.ndarray:
    """Where each voxel of the scan looks into the anatomy, float32 (3, *SHAPE): a smooth warp and a residual affine."""
    warp = [_smooth_field(shape, frequencies=6, deviation=1.2 / VOXEL) for _ in range(3)]
    matrix = np.eye(3) + shape.normal(0, 0.01, (3, 3)) + scan.normal(0, 0.002, (3, 3))
    shift = scan.normal(0, 0.5 / VOXEL, 3)
    centre = (np.array(SHAPE, np.float32) - 1) / 2
    axes = np.ogrid[tuple(slice(-c, c + 1) for c in centre)]
    return np.stack([
        sum(np.float32(m) * a for m, a in zip(row, axes)) + np.float32(c + s) + w
        for row, c, s, w in zip(matrix, centre, shift, warp)
    ])  # fmt: skip


def _smooth_field(rng: np.random.Generator, frequencies: int, deviation: float) -> np.ndarray:
    """A Gaussian random field of the lowest cosines with the given standard deviation, float32 of shape SHAPE."""
    k = np.arange(frequencies)
    decay = 1 / (1 + k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    coefficients = rng.standard_normal(decay.shape) * decay
    coefficients *= deviation / np.sqrt((decay**2).sum())
    basis = [
        (np.sqrt(2 - (k == 0)) * np.cos(np.pi * np.outer(np.arange(n) + 0.5, k) / n)).astype(np.float32) for n in SHAPE
    ]
    return np.einsum("abc,xa,yb,zc->xyz", coefficients.astype(np.float32), *basis, optimize=True)


def _head(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Skull (dark marrow between dark tables) and scalp (bright fat) whose thickness and brightness vary."""
    height = anatomy.outside_brain
    gap = 2.0 + rng.exponential(1.0)
    skull = gap + np.clip(6 + rng.normal(0, 1.5) + _smooth_field(rng, 5, 1.5), 2, None)
    scalp = skull + np.clip(6 + rng.normal(0, 2.0) + _smooth_field(rng, 5, 2.0), 2, None)
    marrow, fat = rng.normal(250, 60), rng.normal(1000, 150)
    head = 200 * _within(-height, 0) * _within(height, gap)
    head += marrow * _within(-height, -gap) * _within(height, skull)
    return head + fat * _within(-height, -skull) * _within(height, scalp)


def _rician(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """The magnitude of a complex signal with Gaussian noise in both parts (Gudbjartsson and Patz 1995)."""
    real = image + rng.normal(0, deviation, image.shape)
    return np.hypot(real, rng.normal(0, deviation, image.shape))
