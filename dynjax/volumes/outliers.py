"""Finds scans that are unlike their cohort: in their grid, in their field of view, or with a skull."""

import collections
from collections.abc import Sequence

import numpy as np

from dynjax.volumes.finding import Finding
from dynjax.volumes.inspection import Facts

FEWEST = 5  # scans in a cohort before any is compared
EXTENT = 0.25  # of the median field of view: a larger difference is unusual
OFFSET = 40.0  # mm between a field of view's centre and the median centre: a larger distance is unusual
STRIPPED = 2.6  # litres: more than any brain with its fluid, less than any head
SKULL = 1.5  # times the median scan's volume: a larger one has a skull


def unlike_the_cohort(facts: Sequence[Facts]) -> list[list[Finding]]:
    """Returns the findings of each scan that is unlike its cohort, as one list for each scan.

    A grid is unusual if more than half of the scans share another one. A scan is taken to have a skull if the median
    scan fills no more than a brain does and this one half as much again: in a masked scan every nonzero voxel is brain.
    Where some scans have an origin and others none, the fewer of the two are named, however small the cohort is.
    """
    columns = [_origins(facts)]
    if len(facts) >= FEWEST:
        columns += [_grids(facts), _fields_of_view(facts), _skulls(facts)]
    findings = []
    for of_scan in zip(*columns):
        findings.append([finding for finding in of_scan if finding is not None])
    return findings


def _origins(facts: Sequence[Facts]) -> list[Finding | None]:
    without = sum(not one.has_origin for one in facts)
    if without in (0, len(facts)):
        return [None] * len(facts)
    text = f"{without} of {len(facts)} scans have no origin and are centred on the grid; the others lie where theirs is"
    rarer = 2 * without > len(facts)  # whether the scans with an origin are the fewer
    return [Finding("origins", text) if one.has_origin == rarer else None for one in facts]


def _grids(facts: Sequence[Facts]) -> list[Finding | None]:
    grids = [_grid(one) for one in facts]
    usual, count = collections.Counter(grids).most_common(1)[0]
    if 2 * count <= len(grids):
        return [None] * len(grids)
    others = f"{count} of {len(grids)} scans have {usual}"
    return [None if grid == usual else Finding("grid", f"its grid is {grid}; {others}") for grid in grids]


def _grid(facts: Facts) -> str:
    return f"{' x '.join(map(str, facts.shape))} of {' x '.join(f'{side:.2g}' for side in facts.spacing)} mm"


def _fields_of_view(facts: Sequence[Facts]) -> list[Finding | None]:
    extents = np.array([np.multiply(one.shape, one.spacing) for one in facts])  # mm, [N, 3]
    centres = np.array([one.centre for one in facts])  # mm, [N, 3]
    usual = np.median(extents, axis=0)
    differs = (abs(extents - usual) > EXTENT * usual).any(1)
    distances = np.linalg.norm(centres - np.median(centres, axis=0), axis=1)
    findings: list[Finding | None] = []
    for extent, odd, distance in zip(extents, differs, distances):
        if odd:
            findings.append(_field_of_view(extent, usual))
        elif distance > OFFSET:
            findings.append(_displaced(distance))
        else:
            findings.append(None)
    return findings


def _field_of_view(extent: np.ndarray, usual: np.ndarray) -> Finding:
    ours, theirs = (" x ".join(f"{side:.0f}" for side in sides) for sides in (extent, usual))
    return Finding("field of view", f"its field of view is {ours} mm, the cohort's median is {theirs} mm")


def _displaced(distance: float) -> Finding:
    return Finding("field of view", f"its field of view is {distance:.0f} mm away from the cohort's")


def _skulls(facts: Sequence[Facts]) -> list[Finding | None]:
    usual = np.median([one.filled for one in facts])
    if usual > STRIPPED:
        return [None] * len(facts)
    return [_skull(one.filled, usual) if one.filled > SKULL * usual else None for one in facts]


def _skull(filled: float, usual: float) -> Finding:
    text = f"it fills {filled:.1f} l, the cohort's median scan {usual:.1f} l: is its skull not stripped?"
    return Finding("skull", text)
