"""Changes volumes [X, Y, Z] as scans are changed before they reach a classifier, each kind at several strengths."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

VOXEL = 2.0  # mm, of the volumes that are changed
Array = np.ndarray


class Change(NamedTuple):
    """A kind of change: apply(volume, strength) -> volume. wanted: what its largest strength must get."""

    name: str
    strengths: Sequence[Any]
    apply: Callable[[Array, Any], Array]
    wanted: str = "not ok"


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


def _spheres(shape: Sequence[int], centre: Sequence[float], radius: float) -> Array:
    """Marks a sphere: centre in voxels, radius in mm."""
    squares = sum((VOXEL * (place - mid)) ** 2 for place, mid in zip(np.ogrid[tuple(map(slice, shape))], centre))
    return squares <= radius**2


def _turned(volume: Array, degrees: float, axes: tuple[int, int]) -> Array:
    return ndimage.rotate(volume, degrees, axes, reshape=False, order=1)


def _shifted(volume: Array, millimetres: float, axis: int) -> Array:
    moved = [0.0, 0.0, 0.0]
    moved[axis] = millimetres / VOXEL
    return ndimage.shift(volume, moved, order=1)


def _linear(volume: Array, matrix: Array) -> Array:
    """Applies a linear map about the middle."""
    middle = (np.array(volume.shape) - 1) / 2
    inverse = np.linalg.inv(matrix)
    return ndimage.affine_transform(volume, inverse, middle - inverse @ middle, order=1)


def _without(volume: Array, axis: int, first: float, last: float) -> Array:
    """Empties the slices between two shares of an axis."""
    size, changed = volume.shape[axis], volume.copy()
    where: list[Any] = [slice(None)] * 3
    where[axis] = slice(round(first * size), round(last * size))
    changed[tuple(where)] = 0
    return changed


def _with_skull(volume: Array, thickness: float) -> Array:
    height = ndimage.distance_transform_edt(volume == 0) * VOXEL
    bright = np.percentile(volume[volume > 0], 90)
    changed = np.where((height > 4) & (height <= 4 + thickness / 2), 0.25 * bright, volume)
    return np.where((height > 4 + thickness / 2) & (height <= 4 + thickness), bright, changed)


def _inverted(volume: Array, share: float) -> Array:
    """Blends the head with its inverse, which is what T2 weighting looks like."""
    inverse = 1.05 * volume.max() - volume
    return np.where(volume > 0, (1 - share) * volume + share * inverse, 0)


def _powered(volume: Array, power: float) -> Array:
    bright = np.percentile(volume, 99)
    return bright * (np.clip(volume, 0, None) / bright) ** power


def _noisy(volume: Array, share: float, everywhere: bool) -> Array:
    noise = _rng().normal(0, share * np.percentile(volume, 99), volume.shape)
    return np.where((volume > 0) | everywhere, np.abs(volume + noise), 0)


def _with_spikes(volume: Array, count: int) -> Array:
    changed = volume.copy()
    changed.ravel()[_rng().integers(0, volume.size, count)] = 20 * volume.max()
    return changed


def _ellipsoid(volume: Array, _: Any) -> Array:
    """Another kind of phantom: an ellipsoid with a core and a hole, of the size of a brain."""
    x, y, z = (
        VOXEL * (place - (size - 1) / 2) for place, size in zip(np.ogrid[tuple(map(slice, volume.shape))], volume.shape)
    )
    radius = (x / 68) ** 2 + (y / 86) ** 2 + ((z + 12) / 62) ** 2
    hole = (x / 14) ** 2 + (y / 26) ** 2 + (z / 14) ** 2 < 1
    tissue = 600 + 300 * (radius < 0.6) - 500 * hole + _rng().normal(0, 40, volume.shape)
    return np.where(radius < 1, np.clip(tissue, 1, None), 0)


def _moved(volume: Array, share: float) -> Array:
    """Moves the head by 12 mm while a share of the lines of k-space is read."""
    lines = _rng().random(volume.shape[1]) < share
    phases = np.exp(2j * np.pi * np.fft.fftfreq(volume.shape[1]) * 6)
    spectrum = np.fft.fftn(volume)
    spectrum[:, lines] *= phases[lines][None, :, None]
    return np.abs(np.fft.ifftn(spectrum))


def _levels(volume: Array, count: int) -> Array:
    ends = np.percentile(volume[volume > 0], np.linspace(0, 100, count, endpoint=False))
    return np.digitize(volume, ends).astype(np.float64)


def _scored(volume: Array, _: Any) -> Array:
    inside = volume[volume > 0]
    return np.where(volume > 0, (volume - inside.mean()) / inside.std(), 0)


def _bent(volume: Array, millimetres: float) -> Array:
    """Warps by smooth random displacements of this standard deviation."""
    rng, places = _rng(), np.indices(volume.shape, np.float32)
    for place in places:
        field = ndimage.gaussian_filter(rng.standard_normal(volume.shape, np.float32), 10)
        place += field * (millimetres / VOXEL / field.std())
    return ndimage.map_coordinates(volume, places, order=1)


def _thick(volume: Array, slices: int) -> Array:
    """Averages slices along z in groups, as thick slices do."""
    starts = np.arange(0, volume.shape[2], slices)
    means = np.add.reduceat(volume, starts, axis=2) / np.diff(starts, append=volume.shape[2])
    return np.repeat(means, np.diff(starts, append=volume.shape[2]), axis=2)


def _ghosted(volume: Array, share: float) -> Array:
    return volume + share * np.roll(volume, volume.shape[1] // 3, axis=1)


def _with_lesion(volume: Array, radius: float) -> Array:
    return np.where(_spheres(volume.shape, (38, 60, 60), radius) & (volume > 0), 1.2 * volume.max(), volume)


def _salted(volume: Array, share: float) -> Array:
    chosen, bright = _rng().random(volume.shape), np.percentile(volume, 99)
    return np.where(volume == 0, 0, np.where(chosen < share / 2, 1, np.where(chosen < share, bright, volume)))


def _tissue(volume: Array, share: float) -> Array:
    """Keeps the brightest share of the head, as a mask of white matter does."""
    return np.where(volume >= np.percentile(volume[volume > 0], 100 * (1 - share)), volume, 0)


PLANES = {"z": (0, 1), "y": (0, 2), "x": (1, 2)}
REFUSED = "refused"

# Looked at while the measures and the thresholds were chosen.
KNOWN = (
    Change("noise in place of a scan", (1,), lambda v, _: np.abs(_rng().normal(0, 300, v.shape)), REFUSED),
    Change("a mask", (1,), lambda v, _: (v > 0) * 1.0, REFUSED),
    Change("an atlas of ten levels", (1,), lambda v, _: _levels(v, 10), REFUSED),
    Change("upside down", (1,), lambda v, _: v[:, :, ::-1], REFUSED),
    Change("back to front", (1,), lambda v, _: v[:, ::-1]),
    Change("left to right", (1,), lambda v, _: v[::-1], "unseen"),
    *(Change(f"turned by 90 degrees about {a}", (1,), lambda v, _, p=p: np.rot90(v, 1, p))
      for a, p in PLANES.items()),
    *(Change(f"turned about {a}, degrees", (5, 10, 20, 30), lambda v, s, p=p: _turned(v, s, p))
      for a, p in PLANES.items()),
    *(Change(f"shifted along {a}, mm", (5, 10, 20, 40), lambda v, s, i=i: _shifted(v, s, i))
      for i, a in enumerate("xyz")),
    Change("larger, times", (1.05, 1.15, 1.3, 1.5), lambda v, s: _linear(v, np.eye(3) * s)),
    Change("smaller, times", (0.95, 0.9, 0.8, 0.7), lambda v, s: _linear(v, np.eye(3) * s)),
    *(Change(f"half missing along {a}", (1,), lambda v, _, i=i: _without(v, i, 0.5, 1), REFUSED)
      for i, a in enumerate("xyz")),
    Change("with a skull of mm", (3, 6, 12), _with_skull),
    Change("inverted, background too", (1,), lambda v, _: v.max() - v, REFUSED),
    Change("inverted within the head", (1,), lambda v, _: _inverted(v, 1), REFUSED),
    Change("like T2, share", (0.3, 0.6, 0.9), _inverted),
    Change("to the power of, up", (1.3, 1.6, 2), _powered),
    Change("to the power of, down", (0.8, 0.65, 0.5), _powered),
    Change("blurred, mm FWHM", (5, 9, 14, 24), lambda v, s: ndimage.gaussian_filter(v, s / VOXEL / 2.355)),
    Change("spikes", (1, 100, 10000), _with_spikes),
    Change("another background, share", (0.02, 0.1, 0.3), lambda v, s: np.where(v == 0, s * np.percentile(v, 99), v)),
    Change("noise everywhere, share", (0.05, 0.1, 0.2, 0.5), lambda v, s: _noisy(v, s, True)),
    Change("noise in the head, share", (0.05, 0.1, 0.2, 0.5), lambda v, s: _noisy(v, s, False)),
    Change("another phantom", (1,), _ellipsoid),
    Change("motion, share of lines", (0.1, 0.3, 0.5), _moved),
    Change("bias field, exponent", (0.2, 0.5, 1),
           lambda v, s: v * np.exp(s * np.linspace(-1, 1, len(v)))[:, None, None]),
    Change("z-scored in the head", (1,), _scored),
    Change("slices missing, mm", (20, 60, 120), lambda v, s: _without(v, 2, 0.5 - s / 440, 0.5 + s / 440)),
    Change("a hole, radius in mm", (10, 20, 35), lambda v, s: np.where(_spheres(v.shape, (35, 55, 55), s), 0, v)),
)  # fmt: skip

# Not looked at before the thresholds were fixed.
NEW = (
    Change("bent, mm", (2, 4, 8), _bent),
    Change("thick slices, mm", (4, 8, 16), lambda v, s: _thick(v, round(s / VOXEL))),
    Change("wrapped around, mm", (10, 30, 60), lambda v, s: np.roll(v, round(s / VOXEL), axis=1)),
    Change("clipped at percentile", (95, 75, 50), lambda v, s: np.minimum(v, np.percentile(v[v > 0], s))),
    Change("sheared", (0.05, 0.15, 0.4), lambda v, s: _linear(v, np.eye(3) + s * np.eye(3, k=1))),
    Change("a bright lesion, radius in mm", (8, 16, 30), _with_lesion),
    Change("cut off below, share", (0.2, 0.35, 0.5), lambda v, s: _without(v, 2, 0, s)),
    Change("a ghost, share", (0.1, 0.3, 0.6), _ghosted),
    Change("levels", (64, 16, 4), _levels),
    Change("salt and pepper, share", (0.01, 0.05, 0.2), _salted),
    Change("white matter alone, share", (0.9, 0.6, 0.3), _tissue),
    Change("every other slice dark", (0.8, 0.5, 0.2), lambda v, s: v * np.where(np.arange(v.shape[2]) % 2, s, 1)),
)
