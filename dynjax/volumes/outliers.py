"""Scans that are unlike the others of their cohort: in their grid, in their field of view, or with a skull."""

import collections
from collections.abc import Sequence

import numpy as np

from dynjax.volumes.finding import Finding
from dynjax.volumes.inspection import Facts

FEWEST = 5  # scans before one of them can be unlike the others
EXTENT = 0.25  # of the median field of view: a difference that is worth a look
OFFSET = 40.0  # mm between the centre of a field of view and the median centre
STRIPPED = 2.6  # litres: more than any brain with its fluid fills, less than any head
SKULL = 1.5  # times what the median scan fills


def unlike_the_cohort(facts: Sequence[Facts]) -> list[list[Finding]]:
    """What is unusual about each scan, a list a scan, for scans that are to go through one pipeline.

    A grid is unusual where more than half of the scans share another. A scan is taken to have a skull where the median
    scan fills no more than a brain does and this one half as much again: of a masked scan, all that is not 0 is brain.
    """
    if len(facts) < FEWEST:
        return [[] for _ in facts]
    columns = _grids(facts), _fields_of_view(facts), _skulls(facts)
    return [[finding for finding in row if finding is not None] for row in zip(*columns)]


def _grids(facts: Sequence[Facts]) -> list[Finding | None]:
    grids = [_grid(one) for one in facts]
    usual, count = collections.Counter(grids).most_common(1)[0]
    if 2 * count <= len(grids):
        return [None] * len(grids)
    return [
        None if grid == usual else Finding("grid", f"its grid is {grid}, that of {count} of {len(grids)} is {usual}")
        for grid in grids
    ]


def _grid(facts: Facts) -> str:
    return f"{' x '.join(map(str, facts.shape))} of {' x '.join(f'{side:.2g}' for side in facts.spacing)} mm"


def _fields_of_view(facts: Sequence[Facts]) -> list[Finding | None]:
    extents = np.array([np.multiply(one.shape, one.spacing) for one in facts])
    centres = np.array([one.centre for one in facts])
    usual = np.median(extents, axis=0)
    larger = (abs(extents - usual) > EXTENT * usual).any(1)
    away = np.linalg.norm(centres - np.median(centres, axis=0), axis=1)
    return [
        _field_of_view(extent, usual) if odd else _displaced(distance) if distance > OFFSET else None
        for extent, odd, distance in zip(extents, larger, away)
    ]


def _field_of_view(extent: np.ndarray, usual: np.ndarray) -> Finding:
    ours, theirs = (" x ".join(f"{side:.0f}" for side in sides) for sides in (extent, usual))
    return Finding("field of view", f"its field of view is {ours} mm, the cohort's median is {theirs} mm")


def _displaced(distance: float) -> Finding:
    return Finding("field of view", f"its field of view lies {distance:.0f} mm from the cohort's")


def _skulls(facts: Sequence[Facts]) -> list[Finding | None]:
    filled = np.array([one.filled for one in facts])
    usual = np.median(filled)
    if usual > STRIPPED:
        return [None] * len(facts)
    return [
        Finding("skull", f"it fills {own:.1f} l, the cohort's median scan {usual:.1f} l: is its skull not stripped?")
        if own > SKULL * usual
        else None
        for own in filled
    ]
