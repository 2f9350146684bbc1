"""Reads a scan from end to end in little memory, for its problems and for the facts compared within a cohort."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from nibabel.orientations import inv_ornt_aff, io_orientation

from dynjax.volumes.finding import Finding, RefusedVolume
from dynjax.volumes.grid import Grid, fits
from dynjax.volumes.header import VoxelLayout
from dynjax.volumes.missing import check_size, zero_outside
from dynjax.volumes.nifti import check_finite, check_range, open_scan, read_volume, voxels

BLOCK = 2**20  # bytes of whole slices examined together


class Facts(NamedTuple):
    """Properties of a scan that are compared within its cohort; axes in RAS+, lengths in mm.

    shape: voxels along each axis. spacing: size of a voxel. centre: of the field of view. filled: litres of nonzero
    voxels.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    centre: tuple[float, ...]
    filled: float


class Inspection(NamedTuple):
    """The findings of a scan, none if it is good, and its facts, None if it is refused."""

    findings: tuple[Finding, ...]
    facts: Facts | None

    @property
    def verdict(self) -> str:
        if self.facts is None:
            return "refused"
        return "warning" if self.findings else "ok"

    @property
    def reason(self) -> str:
        return "; ".join(finding.detail for finding in self.findings)

    @property
    def remedy(self) -> str:
        remedies = [finding.remedy for finding in self.findings if finding.remedy]
        return "; ".join(dict.fromkeys(remedies))  # each once


def inspect_scan(path: Path, grid: Grid, nan: str = "refuse") -> Inspection:
    """Inspects a scan a few slices at a time; refuses what `load_volume` refuses with the same arguments.

    Memory and time are bounded by `header.LARGEST` and `header.LARGEST_HEADER`, whatever the file claims.
    """
    try:
        with open_scan(path) as scan:
            survey = _Survey(scan.layout)
            for count in survey.blocks():
                survey.add(scan.read(count))
            scan.finish()
        if nan == "zero" and survey.nan:
            scan.findings.append(_zeroed(path, survey))
        survey.check_values()
        survey.check_place(grid)
        return Inspection(tuple(scan.findings), survey.facts())
    except RefusedVolume as refused:
        return Inspection((refused.finding,), None)


def _zeroed(path: Path, survey: "_Survey") -> Finding:
    """Checks that NaN can be read as 0, and warns of it. Raises: RefusedVolume if one is not outside the brain."""
    count, survey.nan = survey.nan, 0
    check_size(math.prod(survey.layout.shape), count)
    zero_outside(read_volume(path).data)
    survey.extremes.append(0)
    return Finding("NaN outside", f"{count} of its voxels, outside the brain, are NaN and read as 0")


class _Survey:
    """Takes in all voxels in the file's order, and keeps their extremes, counts and outline."""

    def __init__(self, layout: VoxelLayout):
        self.layout = layout
        self.nan = self.infinite = self.filled = 0
        self.extremes: list = []  # the lowest and highest finite stored voxel of every block
        self.outline = [np.zeros(size, bool) for size in layout.shape]  # for each axis: slices with a nonzero voxel
        self.background = -layout.inter / layout.slope  # the stored value of 0
        self.slices = 0

    def blocks(self) -> list[int]:
        """Returns the size in bytes of each block of whole slices."""
        *plane, slices = self.layout.shape
        size = math.prod(plane) * self.layout.dtype.itemsize
        together = max(BLOCK // size, 1)
        return [min(together, slices - start) * size for start in range(0, slices, together)]

    def add(self, data: bytes) -> None:
        block = np.frombuffer(data, self.layout.dtype).reshape((*self.layout.shape[:2], -1), order="F")  # [X, Y, n]
        with np.errstate(invalid="ignore"):  # one NaN makes both extremes NaN
            filled, low, high = block != self.background, block.min(), block.max()
        if np.isfinite(low) and np.isfinite(high):
            self.extremes += [low, high]
        else:
            missing, finite = np.isnan(block), np.isfinite(block)
            self.nan += int(np.count_nonzero(missing))
            self.infinite += int(np.count_nonzero(np.isinf(block)))
            if finite.any():
                self.extremes += [block[finite].min(), block[finite].max()]
            filled &= ~missing
        self._draw(filled)

    def _draw(self, filled: np.ndarray) -> None:
        """Adds a block of slices to the outline; filled: bool [X, Y, n], true where a voxel is not 0."""
        self.filled += int(np.count_nonzero(filled))
        seen = np.asarray(filled.any(2))  # [X, Y]
        self.outline[0] |= seen.any(1)
        self.outline[1] |= seen.any(0)
        self.outline[2][self.slices : self.slices + filled.shape[2]] = filled.any(0).any(0)
        self.slices += filled.shape[2]

    def check_values(self) -> None:
        """Raises: RefusedVolume for NaN, infinite values, or extremes that `check_range` refuses."""
        check_finite(self.nan, self.infinite)
        stored = np.array([min(self.extremes), max(self.extremes)], self.layout.dtype)
        check_range(*sorted(voxels(self.layout, stored.tobytes(), (2,)).tolist()))

    def check_place(self, grid: Grid) -> None:
        """Raises: RefusedVolume if the box around all nonzero voxels does not overlap the grid."""
        ends = []
        for filled in self.outline:
            slices = np.flatnonzero(filled)
            ends.append((slices[0] - 1, slices[-1] + 1))  # interpolation reaches one voxel further
        box = _corners(self.layout.affine, ends)
        field = _corners(grid.affine, [(0, size - 1) for size in grid.shape])
        apart = (box.max(1) < field.min(1)) | (box.min(1) > field.max(1))
        if apart.any() and not fits(*_in_ras(self.layout), grid):
            raise RefusedVolume("outside the grid", "it does not overlap the grid's field of view")

    def facts(self) -> Facts:
        shape, affine = _in_ras(self.layout)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        middle = (np.array(shape) - 1) / 2  # voxels
        centre = (affine @ [*middle, 1])[:3]
        litres = self.filled * float(abs(np.linalg.det(affine[:3, :3]))) / 1e6
        return Facts(shape, tuple(spacing.tolist()), tuple(centre.tolist()), litres)


def _in_ras(layout: VoxelLayout) -> tuple[tuple[int, ...], np.ndarray]:
    """Returns shape and affine with the axes in RAS+, as `read_volume` orders them."""
    orientation = io_orientation(layout.affine)
    shape = tuple(layout.shape[axis] for axis in np.argsort(orientation[:, 0]))
    return shape, layout.affine @ inv_ornt_aff(orientation, layout.shape)


def _corners(affine: np.ndarray, ends) -> np.ndarray:
    """Returns the corners in mm, [3, 8], of a box from voxel ends[i][0] to voxel ends[i][1] along each axis i."""
    return (affine @ np.array(np.meshgrid(*ends, [1], indexing="ij")).reshape(4, -1))[:3]
