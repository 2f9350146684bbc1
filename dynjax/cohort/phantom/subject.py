"""Draws phantom subjects and renders their scans.

Disease acts through one number, the severity, and the label acts only through it. An image therefore says no more about
the label than the severity does: no method can exceed `best_auc(separation)`.
"""

import functools
import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.special import expit, ndtr

from dynjax.cohort.phantom.anatomy import SHAPE, VOXEL, Anatomy

SEPARATION = 2.33  # mean severity of AD minus that of CN, in standard deviations
YEARLY_DECLINE = 0.15  # severity gained by a second visit a year later, whatever the label

# How far each structure's edge moves, in mm: mean, change per unit of severity, deviation at equal severity.
STRUCTURES = {
    "ventricles": (0.8, 0.60, 1.20),
    "temporal horns": (2.6, 1.00, 0.65),
    "cortex": (0.9, 0.60, 0.30),
}
NOISE = 22.0  # deviation of the noise in either part of the signal
Box = tuple[slice, ...]  # the voxels of a part of the grid, along each axis
WHOLE = tuple(slice(0, size) for size in SHAPE)
ORDER = ["einsum_path", (0, 1), (0, 2), (0, 1)]  # in which the cosines of a field's axes are summed
EDGE = 0.8  # mm over which a moved edge is blurred, close to the template's own sharpness


class Subject(NamedTuple):
    """A synthetic subject. number: its place in the cohort. severity: in standard deviations. visits: 1 or 2."""

    number: int
    label: str
    severity: float
    age: int
    sex: str
    visits: int


class Warp(NamedTuple):
    """Says where in the anatomy a voxel of a scan lies: bent, moved by three smooth fields; a matrix; shift, voxels."""

    bent: list[np.ndarray]
    matrix: np.ndarray
    shift: np.ndarray


class Stream:
    """A subject's independent random streams, one for each kind of draw, so that adding one changes no other."""

    PERSON, SHAPE, SCAN, SKULL = range(4)


def best_auc(separation: float) -> float:
    """Returns the AUC of the severity itself, the best possible: Phi(d / sqrt 2) for N(0, 1) against N(d, 1)."""
    return float(ndtr(separation / np.sqrt(2)))


def draw_subjects(n: int, seed: int, labels=("CN", "AD")) -> list[Subject]:
    """Draws n subjects, 51 % with the first label as in the paper; age and sex are independent of the label."""
    diagnoses = np.random.default_rng([seed, n]).permutation(np.arange(n) >= round(0.51 * n))
    subjects = []
    for index, diseased in enumerate(diagnoses):
        rng = _rng(seed, index, Stream.PERSON)
        severity = rng.normal(SEPARATION if diseased else 0.0)
        age, sex = int(rng.integers(60, 90)), str(rng.choice(["F", "M"]))
        visits = 2 if rng.random() < 0.2 else 1
        subjects.append(Subject(index, labels[int(diseased)], float(severity), age, sex, visits))
    return subjects


def render_scan(
    subject: Subject, visit: int, seed: int, anatomy: Anatomy, skull: bool = False, spared: Collection[str] = ()
) -> np.ndarray:
    """Renders a scan, int16 [110, 110, 110] in RAS+, 2 mm; without a skull the background is exactly 0.

    Args: spared, of STRUCTURES, those that the disease leaves as they would be without it; nothing else changes.
    """
    severity = subject.severity + YEARLY_DECLINE * visit
    shape = _rng(seed, subject.number, Stream.SHAPE)
    scan = _rng(seed, subject.number, Stream.SCAN, visit)
    near = np.ones(SHAPE, bool) if skull else anatomy.near_brain
    around = _box_around(near)
    grey, white, fluid = _tissues(Anatomy(*(field[around] for field in anatomy)), severity, shape, spared)
    warp = _draw_warp(shape, scan)
    contrast = scan.normal((620.0, 900.0, 260.0), (12.0, 12.0, 15.0))  # grey, white, fluid
    ideal = np.zeros(SHAPE)
    ideal[around] = contrast[0] * grey + contrast[1] * white + contrast[2] * fluid
    if skull:
        ideal += _head(anatomy, _rng(seed, subject.number, Stream.SKULL))
    box = _grown(around, _reach(warp))  # of the scan, in which all that is near the brain lies
    places = _coordinates(warp, box)
    seen = near[tuple(_nearest(places))]  # the n voxels of the box that may show something
    image = ndimage.map_coordinates(ideal, places[:, seen], order=1, mode="constant")  # [n]
    inside = image > (-1.0 if skull else 40.0)
    image *= np.exp(_evaluate(_draw_field(scan, frequencies=4, deviation=0.03), box)[seen])
    noise = (scan.normal(0, NOISE, SHAPE)[box][seen] for _ in range(2))  # drawn for the whole scan
    rendered = np.zeros(SHAPE, np.int16)
    rendered[box][seen] = np.where(inside, _rician(image, *noise), 0).astype(np.int16)
    return rendered


def brain_of_scan(subject: Subject, visit: int, seed: int, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ground truth of a scan that `render_scan` makes: its brain and the warp from the anatomy.

    The brain includes its fluid, bool [110, 110, 110]. The warp gives each voxel's place in the anatomy, in voxels,
    [3, 110, 110, 110].
    """
    shape = _rng(seed, subject.number, Stream.SHAPE)
    _tissues(anatomy, subject.severity + YEARLY_DECLINE * visit, shape)  # for its draws, before the warp's
    warp = _coordinates(_draw_warp(shape, _rng(seed, subject.number, Stream.SCAN, visit)), WHOLE)
    brain = anatomy.grey + anatomy.white + anatomy.fluid + _within(anatomy.to_ventricles, 0.0)
    return ndimage.map_coordinates(brain, warp, order=1) > 0.5, warp


def _rng(seed: int, index: int, stream: int, visit: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, index, stream, visit])


def _tissues(
    anatomy: Anatomy, severity: float, rng: np.random.Generator, spared: Collection[str] = ()
) -> tuple[np.ndarray, ...]:
    """Returns the fractions of grey, white and fluid, each [X, Y, Z], after disease and variation moved the edges."""
    moved = []  # mm
    for name, (mean, change, deviation) in STRUCTURES.items():
        moved.append(mean + (0 if name in spared else change * severity) + rng.normal(0, deviation))
    ventricles = _within(anatomy.to_ventricles, moved[0])
    horns = _within(anatomy.to_temporal_horns, moved[1])
    thinned = _within(anatomy.below_pia, moved[2])
    tissue = (1 - ventricles) * (1 - horns)
    grey, white = anatomy.grey * tissue, anatomy.white * tissue
    usual = _within(anatomy.to_ventricles, 0.0)
    brain = anatomy.grey + anatomy.white + anatomy.fluid + usual
    # Where the ventricles have shrunk, white matter fills the room.
    white = white + np.clip(usual - ventricles, 0, 1) * (1 - horns)
    grey = grey * (1 - thinned)
    return grey, white, np.clip(np.minimum(brain, 1) - grey - white, 0, 1)


def _within(distance: np.ndarray, edge: float | np.ndarray) -> np.ndarray:
    """Returns 1 where distance < edge and 0 beyond it, blurred over EDGE millimetres."""
    return expit((edge - distance) * (2 / EDGE))


def _box_around(region: np.ndarray) -> Box:
    """Returns the box of a region, bool [X, Y, Z], and one voxel more, from which is interpolated."""
    filled = [np.flatnonzero(region.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    return _grown(tuple(slice(int(each[0]), int(each[-1]) + 1) for each in filled), 1)


def _grown(box: Box, margin: int) -> Box:
    return tuple(slice(max(each.start - margin, 0), min(each.stop + margin, size)) for each, size in zip(box, SHAPE))


def _draw_warp(shape: np.random.Generator, scan: np.random.Generator) -> Warp:
    bent = [_draw_field(shape, frequencies=6, deviation=1.2 / VOXEL) for _ in range(3)]
    matrix = np.eye(3) + shape.normal(0, 0.01, (3, 3)) + scan.normal(0, 0.002, (3, 3))
    return Warp(bent, matrix, scan.normal(0, 0.5 / VOXEL, 3))


def _coordinates(warp: Warp, box: Box, step: int = 1) -> np.ndarray:
    """Returns the place in the anatomy of the scan's voxels in a box, or of every `step`th, float32 [3, X, Y, Z]."""
    centre = (np.array(SHAPE, np.float32) - 1) / 2
    every = tuple(slice(each.start, each.stop, step) for each in box)
    # Voxels from the centre, one array an axis.
    offsets = np.ix_(*(np.arange(-half, half + 1, dtype=np.float32)[each] for half, each in zip(centre, every)))
    coordinates = np.empty((3, *(offset.size for offset in offsets)), np.float32)
    for place, row, middle, moved, bent in zip(coordinates, warp.matrix, centre, warp.shift, warp.bent):
        turned = sum(np.float32(factor) * offset for factor, offset in zip(row, offsets))  # [X, Y, Z]
        place[...] = turned + np.float32(middle + moved) + _evaluate(bent, every)
    return coordinates


def _reach(warp: Warp) -> int:
    """Returns how many voxels at most lie between a voxel of the scan and its place in the anatomy.

    They are those of every fifth voxel, and two more: a smooth warp moves the others hardly farther.
    """
    moved = _coordinates(warp, WHOLE, step=5) - np.indices(SHAPE, np.float32)[:, ::5, ::5, ::5]
    return math.ceil(abs(moved).max()) + 2


def _nearest(places: np.ndarray) -> np.ndarray:
    """Returns the voxels of the anatomy, or of its ends, that are nearest to places [3, ...], as whole numbers."""
    last = np.array(SHAPE, np.float32).reshape(-1, 1, 1, 1) - 1
    return np.clip(np.rint(places), 0, last).astype(np.intp)


def _draw_field(rng: np.random.Generator, frequencies: int, deviation: float) -> np.ndarray:
    """Draws a Gaussian random field of the given deviation: coefficients of its lowest cosines, float32 [F, F, F]."""
    k = np.arange(frequencies)
    decay = 1 / (1 + k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)  # [F, F, F]
    coefficients = rng.standard_normal(decay.shape) * decay
    coefficients *= deviation / np.sqrt((decay**2).sum())
    return coefficients.astype(np.float32)


def _evaluate(field: np.ndarray, box: Box) -> np.ndarray:
    """Returns the values of a field that `_draw_field` drew in a box, float32 [X, Y, Z]."""
    basis = _basis(len(field))
    return np.einsum("abc,xa,yb,zc->xyz", field, *(cosines[each] for cosines, each in zip(basis, box)), optimize=ORDER)


@functools.cache
def _basis(frequencies: int) -> list[np.ndarray]:
    """Returns the lowest cosines along each axis: [X, F], [Y, F], [Z, F]."""
    k = np.arange(frequencies)
    norm = np.sqrt(2 - (k == 0))  # [F], makes the mean square of every cosine 1
    basis = []
    for size in SHAPE:
        cosines = np.cos(np.pi * np.outer(np.arange(size) + 0.5, k) / size)
        basis.append((norm * cosines).astype(np.float32))
    return basis


def _head(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Renders a skull (dark marrow between dark tables) and a scalp (bright fat) of random thickness and brightness."""
    height = anatomy.outside_brain
    gap = 2.0 + rng.exponential(1.0)
    skull = gap + np.clip(6 + rng.normal(0, 1.5) + _evaluate(_draw_field(rng, 5, 1.5), WHOLE), 2, None)
    scalp = skull + np.clip(6 + rng.normal(0, 2.0) + _evaluate(_draw_field(rng, 5, 2.0), WHOLE), 2, None)
    # Upwards from the brain: 200 up to `gap`, marrow up to `skull`, fat up to `scalp`.
    marrow, fat = rng.normal(250, 60), rng.normal(1000, 150)
    head = 200 * _within(-height, 0) * _within(height, gap)
    head += marrow * _within(-height, -gap) * _within(height, skull)
    return head + fat * _within(-height, -skull) * _within(height, scalp)


def _rician(image: np.ndarray, real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    """Adds Rician noise: the magnitude of a signal with Gaussian noise in both parts (Gudbjartsson and Patz 1995)."""
    return np.hypot(image + real, imaginary)
