"""Reads a scan file as a float32 volume in RAS+, or refuses it with a reason."""

import contextlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from nibabel.wrapstruct import WrapStructError

from dynjax.files import expanded
from dynjax.volumes.content import Content
from dynjax.volumes.finding import Finding, RefusedVolume
from dynjax.volumes.grid import Grid, fits, place
from dynjax.volumes.header import (
    LARGEST_HEADER,
    MGH_BYTES,
    MGH_START,
    NIFTI_STARTS,
    VoxelLayout,
    analyze_layout,
    check_extensions,
    header_size,
    mgh_layout,
    nifti_layout,
)
from dynjax.volumes.missing import zero_outside
from dynjax.volumes.parts import START, absent, check_fetched, parts_of, sibling, size_of, unlike
from dynjax.volumes.reading import NEWEST
from dynjax.volumes.resampling import background, faces, in_file_order, in_ras, resample, resample_smoothly
from dynjax.volumes.voxels import empty_volume, fill

MGH_SUFFIXES = (".mgz", ".mgh")
SUFFIXES = (".nii", ".nii.gz", *MGH_SUFFIXES, ".img", ".hdr", ".img.gz", ".hdr.gz")  # in capitals as well
TRAILING = 2**20  # bytes that may follow the voxels: MGH's footer, padding
LARGEST_MAT = 2**16  # bytes of the .mat file that SPM writes beside an Analyze pair; a real one has a few hundred
EXTREME, SMALLEST = 1e30, 1e-30  # larger values overflow sums in float32; smaller ranges vanish in it

# What nibabel and numpy raise for malformed files that pass the checks made before them.
DAMAGE = (
    ImageFileError, HeaderDataError, HeaderTypeError, WrapStructError, EOFError, zlib.error,
    ValueError, TypeError, LookupError, ArithmeticError, NotImplementedError,
)  # fmt: skip


class Volume(NamedTuple):
    """Voxels, float32 [X, Y, Z] in RAS+, x fastest in memory, and their affine, voxel index to mm, float64 [4, 4]."""

    data: np.ndarray
    affine: np.ndarray


class OpenScan:
    """A scan whose header was checked and whose voxels are read next. `findings` is complete after `finish`."""

    def __init__(self, layout: VoxelLayout, content: Content):
        self.layout, self.content, self.findings = layout, content, list(layout.findings)
        self._read = 0

    def read(self, count: int) -> bytes:
        """Returns the next `count` bytes of voxels. Raises: RefusedVolume if the file ends before."""
        data = self.content.read(count)
        self._read += len(data)
        if len(data) < count:
            have = f"its header promises {self.layout.size} bytes of voxels, it has {self._read}"
            raise RefusedVolume("truncated", f"truncated: {have}")
        return data

    def finish(self) -> None:
        """Reads what follows the voxels, gzip checksums included. Raises: RefusedVolume for a wrong end."""
        excess = self.content.skip(TRAILING)
        if excess > TRAILING:
            raise RefusedVolume("header", f"more than {TRAILING} bytes follow its voxels")
        if self.layout.last and excess:
            self._add_excess(excess)
        if self.content.trailing:
            self.findings.append(Finding("trailing bytes", f"{self.content.trailing} bytes follow its gzip stream"))

    def _add_excess(self, excess: int) -> None:
        """Warns of excess bytes; refuses as many as a slice has: the header then claims too small a volume."""
        if excess * max(self.layout.shape) >= self.layout.size:
            raise RefusedVolume("header", f"{excess} bytes follow its voxels: its header claims too few")
        self.findings.append(Finding("trailing bytes", f"{excess} bytes follow its voxels"))


@contextlib.contextmanager
def open_scan(path: Path, kept: bytes | None = None) -> Iterator[OpenScan]:
    """Opens a scan and checks its header. Raises: RefusedVolume for anything that is wrong with the file.

    Args: kept, the file's content if it is in memory already.
    """
    try:
        if path.is_dir():
            raise RefusedVolume("folder", "it is a folder, not a regular file")
        if not path.name.lower().endswith(SUFFIXES):
            raise RefusedVolume("not an image", f"its name ends in none of {', '.join(SUFFIXES)}")
        parts = parts_of(path)
        size = [size_of(part) for part in parts][-1] if kept is None else len(kept)
        with open(parts[-1], "rb") if kept is None else io.BytesIO(kept) as file:
            content = Content(file, size)
            with np.errstate(all="ignore"):  # a header's numbers may be anything; they are checked
                layout = _pair_layout(parts[0], parts[1], content) if parts[1:] else _single_layout(path, content)
            end = layout.offset + layout.size
            if not content.compressed and size < end:
                raise RefusedVolume("truncated", f"truncated: its header promises {end} bytes, it has {size}")
            yield OpenScan(layout, content)
    except FileNotFoundError as error:
        raise absent(path, Path(error.filename)) from None
    except OSError as error:
        raise RefusedVolume("unreadable", f"it cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        raise RefusedVolume("damaged", f"damaged or not an image ({error})") from None


def load_volume(
    path: str | Path,
    grid: Grid | None = None,
    nan: str = "refuse",
    recipe: int = NEWEST,
    kept: bytes | None = None,
) -> Volume:
    """Reads a NIfTI-1/2, MGH or Analyze file, and resamples it to `grid` if one is given that it does not fit.

    Args:
      nan: 'refuse' refuses a scan with NaN; 'zero' reads NaN outside the brain of a masked scan as 0.
      recipe: by which the volume gets onto the grid; `dynjax.volumes.reading.Reading` describes each.
      kept: the file's content, if it is in memory already; the file is then not opened.

    Raises: InputError with the file's name, the reason and the remedy, for anything but one finite 3D volume.
    """
    path = expanded(path)
    try:
        data, affine = read_volume(path, kept)
        if nan == "zero" and np.isnan(data).any():
            data = zero_outside(data)
        low, high = _check_values(data)
        if grid is None:
            return Volume(data, affine)
        affine = place(data.shape, affine, recipe)
        if fits(data.shape, affine, grid, recipe):
            return Volume(data, affine)
        return _resampled(data, affine, grid, 0.0 if recipe == 1 else background(faces(data), low, high), recipe)
    except RefusedVolume as refused:
        raise refused.error(path) from None


def _resampled(data: np.ndarray, affine: np.ndarray, grid: Grid, fill: float, recipe: int) -> Volume:
    resampled = (resample if recipe == 1 else resample_smoothly)(data, affine, grid, fill)
    if (resampled == np.float32(fill)).all():
        raise RefusedVolume("outside the grid", "it does not overlap the grid's field of view")
    return Volume(resampled, grid.affine)


def read_volume(path: Path, kept: bytes | None = None) -> Volume:
    """Reads a scan's voxels in RAS+ on its own grid, whatever their values. Raises: RefusedVolume.

    Args: kept, the file's content if it is in memory already.
    """
    with open_scan(path, kept) as scan:
        orientation, shape, affine = in_ras(scan.layout.shape, scan.layout.affine)
        data = empty_volume(shape)
        fill(in_file_order(data, orientation), scan.layout, scan.read)
        scan.finish()
    return Volume(data, affine)


def check_range(low: float, high: float) -> None:
    """Checks the smallest and largest value of a volume. Raises: RefusedVolume if they are too close or too large."""
    if low == high or high - low < SMALLEST:
        raise RefusedVolume("constant", f"all its voxels are {low:g}")
    if max(-low, high) > EXTREME:
        raise RefusedVolume("infinite", f"its voxels reach from {low:g} to {high:g}: too large for float32")


def check_finite(nan: int, infinite: int) -> None:
    """Checks the number of NaN and of infinite voxels. Raises: RefusedVolume if there are any."""
    if nan:
        raise RefusedVolume("NaN", f"{nan} of its voxels are NaN")
    if infinite:
        raise RefusedVolume("infinite", f"{infinite} of its voxels are infinite")


def _check_values(data: np.ndarray) -> tuple[float, float]:
    """Returns the lowest and highest value. Raises: RefusedVolume if a value is not finite, or as `check_range`."""
    with np.errstate(invalid="ignore"):
        low, high = float(data.min()), float(data.max())  # both NaN if any voxel is
    if not np.isfinite(high - low):
        check_finite(int(np.isnan(data).sum()), int(np.isinf(data).sum()))
    check_range(low, high)
    return low, high


def _single_layout(path: Path, content: Content) -> VoxelLayout:
    start, is_mgh = content.peek(START), path.name.lower().endswith(MGH_SUFFIXES)
    if not start.startswith(MGH_START if is_mgh else NIFTI_STARTS):
        raise unlike(start, "MGH" if is_mgh else "NIfTI")
    if is_mgh:
        return mgh_layout(content.read(MGH_BYTES))
    size, big_endian = header_size(start)
    header = content.read(size + 4)  # the last four bytes tell whether extensions follow
    layout = nifti_layout(header)
    check_extensions(header + content.read(layout.offset - len(header)), size, big_endian)
    return layout


def _pair_layout(header: Path, image: Path, content: Content) -> VoxelLayout:
    """Reads a pair as NIfTI if its header has NIfTI's magic, otherwise as Analyze or SPM."""
    check_fetched(content.peek(START))
    block = _whole_header(header)
    if not block.startswith(NIFTI_STARTS):
        raise unlike(block[:START], "NIfTI or Analyze")
    magics = block[344:347], block[4:7]  # of NIfTI-1 and of NIfTI-2
    if any(magic in (b"n+1", b"ni1", b"n+2", b"ni2") for magic in magics):
        layout = nifti_layout(block, pair=True)
        check_extensions(block, *header_size(block))
    else:
        layout = _load_analyze(image)
    content.read(layout.offset)
    return layout


def _whole_header(path: Path) -> bytes:
    with open(path, "rb") as file:
        block = Content(file, path.stat().st_size).read(LARGEST_HEADER + 1)
    if len(block) > LARGEST_HEADER:
        raise RefusedVolume("header", f"its .hdr file has more than {LARGEST_HEADER} bytes")
    return block


def _load_analyze(path: Path) -> VoxelLayout:
    beside = sibling(path, "mat")
    if beside.exists() and size_of(beside) > LARGEST_MAT:
        raise RefusedVolume("header", f"its .mat file has {beside.stat().st_size} bytes")
    return analyze_layout(nibabel.load(path))
