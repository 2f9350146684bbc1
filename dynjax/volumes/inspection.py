"""A scan read from end to end in little memory: what is wrong with it, and what it is like."""

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

BLOCK = 2**20  # bytes of whole slices looked at together


class Facts(NamedTuple):
    """What is compared within a cohort; axes in RAS+, lengths in mm.

    shape: voxels. spacing: of a voxel. centre: of the field of view. filled: litres of voxels that are not 0.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    centre: tuple[float, ...]
    filled: float


class Inspection(NamedTuple):
    """What was found in a scan, nothing if it is good; `facts` is None for a refused one."""

    findings: tuple[Finding, ...]
    facts: Facts | None

    @property
    def verdict(self) -> str:
        return "refused" if self.facts is None else "warning" if self.findings else "ok"

    @property
    def reason(self) -> str:
        return "; ".join(finding.detail for finding in self.findings)

    @property
    def remedy(self) -> str:
        return "; ".join(dict.fromkeys(finding.remedy for finding in self.findings if finding.remedy))


def inspect_scan(path: Path, grid: Grid, nan: str = "refuse") -> Inspection:
    """Reads a scan to its end, a few slices at a time; refuses what `load_volume` with these arguments refuses.

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
    """Raises: RefusedVolume if the scan's NaN are not all outside its brain."""
    count, survey.nan = survey.nan, 0
    check_size(math.prod(survey.layout.shape), count)
    zero_outside(read_volume(path).data)
    survey.extremes.append(0)
    return Finding("NaN outside", f"{count} of its voxels, outside the brain, are NaN and read as 0")


class _Survey:
    """Is shown all voxels, in the file's order, and keeps their extremes, their counts and their outline."""

    def __init__(self, layout: VoxelLayout):
        self.layout = layout
        self.nan = self.infinite = self.filled = 0
        self.extremes: list = []  # finite stored voxels, the lowest and the highest among them
        self.outline = [np.zeros(size, bool) for size in layout.shape]  # along each axis: where any voxel is not 0
        self.background = -layout.inter / layout.slope  # what is stored for 0
        self.slices = 0

    def blocks(self) -> list[int]:
        """The bytes of each block of whole slices."""
        *plane, slices = self.layout.shape
        size = math.prod(plane) * self.layout.dtype.itemsize
        together = max(BLOCK // size, 1)
        return [min(together, slices - start) * size for start in range(0, slices, together)]

    def add(self, data: bytes) -> None:
        block = np.frombuffer(data, self.layout.dtype).reshape((*self.layout.shape[:2], -1), order="F")
        with np.errstate(invalid="ignore"):
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
        """Adds the outline of a block of slices, bool [X, Y, n]."""
        self.filled += int(np.count_nonzero(filled))
        seen = np.asarray(filled.any(2))
        self.outline[0] |= seen.any(1)
        self.outline[1] |= seen.any(0)
        self.outline[2][self.slices : self.slices + filled.shape[2]] = filled.any(0).any(0)
        self.slices += filled.shape[2]

    def check_values(self) -> None:
        check_finite(self.nan, self.infinite)
        stored = np.array([min(self.extremes), max(self.extremes)], self.layout.dtype)
        check_range(*sorted(voxels(self.layout, stored.tobytes(), (2,)).tolist()))

    def check_place(self, grid: Grid) -> None:
        """Raises: RefusedVolume if the box around all that is not 0 has no point in common with the grid."""
        ends = [np.flatnonzero(along)[[0, -1]] + [-1, 1] for along in self.outline]
        box, field = _corners(self.layout.affine, ends), _corners(grid.affine, [(0, size - 1) for size in grid.shape])
        apart = (box.max(1) < field.min(1)) | (box.min(1) > field.max(1))
        if apart.any() and not fits(*_in_ras(self.layout), grid):
            raise RefusedVolume("outside the grid", "nothing of it lies in the grid's field of view")

    def facts(self) -> Facts:
        shape, affine = _in_ras(self.layout)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        centre = (affine @ [*((np.array(shape) - 1) / 2), 1])[:3]
        litres = self.filled * float(abs(np.linalg.det(affine[:3, :3]))) / 1e6
        return Facts(shape, tuple(spacing.tolist()), tuple(centre.tolist()), litres)


def _in_ras(layout: VoxelLayout) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine as `canonical` leaves them."""
    orientation = io_orientation(layout.affine)
    shape = tuple(layout.shape[axis] for axis in np.argsort(orientation[:, 0]))
    return shape, layout.affine @ inv_ornt_aff(orientation, layout.shape)


def _corners(affine: np.ndarray, ends) -> np.ndarray:
    """The corners in mm [3, 8] of a box that reaches from ends[i][0] to ends[i][1] along axis i."""
    return (affine @ np.array(np.meshgrid(*ends, [1], indexing="ij")).reshape(4, -1))[:3]
