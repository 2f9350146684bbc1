"""Compares a volume's coarse picture, its block means, with the mean picture of a cohort."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dynjax.volumes.blocks import standardised

Undo = Callable[[np.ndarray], np.ndarray]

# For each measure, the smallest spread that is taken to mean something.
LEAST = {
    "likeness": 0.1,  # logarithm of 1 - correlation with the mean picture
    "blocks": 0.05,  # logarithm of the root mean square of all blocks' deviations
    "worst blocks": 0.05,  # logarithm of the deviation that one block in WORST exceeds
}
WORST = 100
LEAST_SPREAD = 0.1  # of a block: times the root mean square spread of all blocks
TINY = 1e-6


class Picture(NamedTuple):
    """Keeps the usual block means of a cohort, standardised, and their spread over its scans, float32 [D] each."""

    mean: np.ndarray
    spread: np.ndarray


def make_picture(vectors: np.ndarray) -> Picture:
    """Summarises the block means [N, D] of a cohort's scans."""
    standard = standardised(vectors)
    spread = standard.std(0)
    return Picture(standard.mean(0), np.maximum(spread, LEAST_SPREAD * np.sqrt(np.mean(spread**2)) + TINY))


def measure_likeness(vectors: np.ndarray, picture: Picture) -> np.ndarray:
    """Measures how unlike a cohort's usual picture block means [N, D] are: float64 [N, 3], larger is less alike."""
    apart = np.abs(standardised(vectors) - picture.mean) / picture.spread  # [N, D]
    worst = np.quantile(apart, 1 - 1 / WORST, axis=1)
    blocks = np.sqrt(np.mean(apart**2, axis=1, dtype=np.float64))
    unlike = 1 - correlation(vectors, picture.mean)
    return np.log(np.maximum(np.column_stack([unlike, blocks, worst]), TINY))


def correlation(vectors: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Returns Pearson's correlation of block means [..., D] with a mean picture [D]."""
    return np.asarray(standardised(vectors) @ standardised(mean), np.float64)


def likely_change(vector: np.ndarray, mean: np.ndarray) -> str:
    """Names the change that would make a volume so unlike the mean picture [S S S], '' if none explains it.

    A change is named if undoing it leaves less than half of what is not shared, and makes the two alike.
    """
    side = round(len(vector) ** (1 / 3))
    picture = vector.reshape(side, side, side)
    apart = 1 - float(correlation(vector, mean))
    left = {name: 1 - float(correlation(undo(picture).ravel(), mean)) for name, undo in CHANGES.items()}
    best = min(left, key=left.__getitem__)
    return best if left[best] < min(apart / 2, ALIKE) else ""


ALIKE = 0.3  # one less the correlation: above it, two heads do not match


def _turn(times: int, axes: tuple[int, int]) -> Undo:
    return lambda blocks: np.rot90(blocks, times, axes)


def _reorder(order: tuple[int, int, int]) -> Undo:
    return lambda blocks: blocks.transpose(order)


# What a scan may have suffered, and how it is undone on block means [S, S, S] in RAS+.
CHANGES: dict[str, Undo] = {
    "upside down": lambda blocks: blocks[:, :, ::-1],
    "back to front": lambda blocks: blocks[:, ::-1],
    "upside down and back to front": lambda blocks: blocks[:, ::-1, ::-1],
    "with inverted contrast": lambda blocks: -blocks,
    "with axes in the order y, z, x": _reorder((2, 0, 1)),
    "with axes in the order z, x, y": _reorder((1, 2, 0)),
}
for _axis, _axes in {"x": (1, 2), "y": (2, 0), "z": (0, 1)}.items():
    CHANGES[f"turned by 90 degrees about {_axis}"] = _turn(3, _axes)
    CHANGES[f"turned by -90 degrees about {_axis}"] = _turn(1, _axes)
