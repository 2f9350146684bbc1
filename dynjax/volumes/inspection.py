"""Reads a scan from end to end in little memory, for its problems and for the facts compared within a cohort."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.volumes.finding import Finding, RefusedVolume
from dynjax.volumes.grid import Grid, corners_of, covers, fits, has_origin, place
from dynjax.volumes.header import VoxelLayout
from dynjax.volumes.missing import check_size, zero_outside
from dynjax.volumes.nifti import check_finite, check_range, open_scan, read_volume
from dynjax.volumes.reading import NEWEST
from dynjax.volumes.resampling import REACH, background, in_ras, smoothing
from dynjax.volumes.voxels import voxels

BLOCK = 2**20  # bytes of whole slices examined together


class Facts(NamedTuple):
    """Properties of a scan that are compared within its cohort; axes in RAS+, lengths in mm.

    shape: voxels along each axis. spacing: size of a voxel. centre: of the field of view, where it is taken to lie.
    filled: litres of voxels that are not background. has_origin: whether the header says where the volume lies.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    centre: tuple[float, ...]
    filled: float
    has_origin: bool = True


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


def inspect_scan(path: Path, grid: Grid, nan: str = "refuse", recipe: int = NEWEST) -> Inspection:
    """Inspects a scan a few slices at a time; refuses what `load_volume` refuses with the same arguments.

    Memory and time are bounded by `header.LARGEST` and `header.LARGEST_HEADER`, whatever the file claims.
    """
    try:
        with open_scan(path) as scan:
            survey = _Survey(scan.layout, recipe)
            for count in survey.blocks():
                survey.add(scan.read(count))
            scan.finish()
        if nan == "zero" and survey.nan:
            scan.findings.append(_zeroed(path, survey))
        survey.check_values()
        if recipe > 1:
            scan.findings += _placed(survey) + _surrounded(path, survey, grid)
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


def _placed(survey: "_Survey") -> list[Finding]:
    if has_origin(survey.layout.shape, survey.layout.affine):
        return []
    return [Finding("origin", "its header has no origin, so it is taken as centred on the grid")]


def _surrounded(path: Path, survey: "_Survey", grid: Grid) -> list[Finding]:
    """Draws the outline again if the background is not 0; warns if that is filled in outside the field of view."""
    value = survey.background()
    if value == 0:
        return []
    survey.clear()
    with open_scan(path) as scan:
        for count in survey.blocks():
            survey.draw(survey.values(scan.read(count)) != np.float32(value))
    if covers(*survey.in_ras(), grid):
        return []
    text = f"its background is {value:g}, which is also put around its field of view, where the grid is larger"
    return [Finding("background", text)]


class _Survey:
    """Takes in all voxels in the file's order, and keeps their extremes, counts, faces and outline.

    affine: where the volume is taken to lie, voxel index in the file to mm.
    """

    def __init__(self, layout: VoxelLayout, recipe: int):
        self.layout, self.recipe = layout, recipe
        self.affine = place(layout.shape, layout.affine, recipe)
        self.nan = self.infinite = 0
        self.extremes: list = []  # the lowest and highest finite stored voxel of every block
        self.faces: list[np.ndarray] = []  # stored voxels of the six faces, block by block
        self.zero = -layout.inter / layout.slope  # the stored value of 0
        self.clear()

    def clear(self) -> None:
        """Begins the outline."""
        self.filled = self.slices = 0
        self.outline = [np.zeros(size, bool) for size in self.layout.shape]  # for each axis: slices that are not empty

    def blocks(self) -> list[int]:
        """Returns the size in bytes of each block of whole slices."""
        *plane, slices = self.layout.shape
        size = math.prod(plane) * self.layout.dtype.itemsize
        together = max(BLOCK // size, 1)
        return [min(together, slices - start) * size for start in range(0, slices, together)]

    def add(self, data: bytes) -> None:
        block = np.frombuffer(data, self.layout.dtype).reshape((*self.layout.shape[:2], -1), order="F")  # [X, Y, n]
        self._keep_faces(block)
        with np.errstate(invalid="ignore"):  # one NaN makes both extremes NaN
            filled, low, high = block != self.zero, block.min(), block.max()
        if np.isfinite(low) and np.isfinite(high):
            self.extremes += [low, high]
        else:
            missing, finite = np.isnan(block), np.isfinite(block)
            self.nan += int(np.count_nonzero(missing))
            self.infinite += int(np.count_nonzero(np.isinf(block)))
            if finite.any():
                self.extremes += [block[finite].min(), block[finite].max()]
            filled &= ~missing
        self.draw(filled)

    def _keep_faces(self, block: np.ndarray) -> None:
        ends = [end for end in (0, self.layout.shape[2] - 1) if 0 <= end - self.slices < block.shape[2]]
        sides = [block[[0, -1]], block[:, [0, -1]], block[:, :, [end - self.slices for end in ends]]]
        self.faces += [side.ravel() for side in sides]

    def draw(self, filled: np.ndarray) -> None:
        """Adds a block of slices to the outline; filled: bool [X, Y, n], true where a voxel is not background."""
        self.filled += int(np.count_nonzero(filled))
        seen = np.asarray(filled.any(2))  # [X, Y]
        self.outline[0] |= seen.any(1)
        self.outline[1] |= seen.any(0)
        self.outline[2][self.slices : self.slices + filled.shape[2]] = filled.any(0).any(0)
        self.slices += filled.shape[2]

    def check_values(self) -> None:
        """Raises: RefusedVolume for NaN, infinite values, or extremes that `check_range` refuses."""
        check_finite(self.nan, self.infinite)
        check_range(*self._range())

    def background(self) -> float:
        """Returns the background's value, as `load_volume` finds it; NaN on the faces are read as 0."""
        stored = np.concatenate(self.faces)
        values = np.nan_to_num(voxels(self.layout, stored.tobytes(), stored.shape), nan=0.0)
        return background(values, *self._range())

    def values(self, data: bytes) -> np.ndarray:
        """Converts stored slices to their values, NaN to 0: float32 [X, Y, n]."""
        shape = (*self.layout.shape[:2], len(data) // (math.prod(self.layout.shape[:2]) * self.layout.dtype.itemsize))
        return np.nan_to_num(voxels(self.layout, data, shape), nan=0.0)

    def _range(self) -> tuple[float, float]:
        stored = np.array([min(self.extremes), max(self.extremes)], self.layout.dtype)
        low, high = sorted(voxels(self.layout, stored.tobytes(), (2,)).tolist())
        return low, high

    def check_place(self, grid: Grid) -> None:
        """Raises: RefusedVolume if the box around all voxels that are not background does not overlap the grid."""
        deviations = [0.0] * 3 if self.recipe == 1 else smoothing(self.affine, grid.spacing)
        ends = []
        for filled, deviation in zip(self.outline, deviations):
            slices, reach = np.flatnonzero(filled), 1 + round(REACH * deviation)  # interpolation reaches one voxel
            ends.append((slices[0] - reach, slices[-1] + reach))
        box = (self.affine @ corners_of(ends))[:3]  # mm, [3, 8]
        field = (grid.affine @ corners_of([(0, size - 1) for size in grid.shape]))[:3]
        apart = (box.max(1) < field.min(1)) | (box.min(1) > field.max(1))
        if apart.any() and not fits(*self.in_ras(), grid, self.recipe):
            raise RefusedVolume("outside the grid", "it does not overlap the grid's field of view")

    def facts(self) -> Facts:
        shape, affine = self.in_ras()
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        middle = (np.array(shape) - 1) / 2  # voxels
        centre = (affine @ [*middle, 1])[:3]
        litres = self.filled * float(abs(np.linalg.det(affine[:3, :3]))) / 1e6
        known = has_origin(self.layout.shape, self.layout.affine)
        return Facts(shape, tuple(spacing.tolist()), tuple(centre.tolist()), litres, known)

    def in_ras(self) -> tuple[tuple[int, ...], np.ndarray]:
        """Returns shape and affine with the axes in RAS+, as `read_volume` orders them."""
        return in_ras(self.layout.shape, self.affine)[1:]
