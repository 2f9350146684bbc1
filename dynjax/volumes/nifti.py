"""One scan file to a float32 volume in RAS+, or to the reason why it cannot be used."""

import gzip
import hashlib
import io
import math
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from nibabel.wrapstruct import WrapStructError

from dynjax.errors import InputError
from dynjax.volumes.grid import Grid, fits, resample

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh", ".img", ".hdr")
LARGEST = 2**31  # bytes of voxels that a header may claim before it is taken for a lie
TRAILING = 2**20  # bytes that may follow the voxels (extensions, MGH's footer)

# What nibabel, gzip and numpy raise for a file that is not what it says.
DAMAGE = (ImageFileError, HeaderDataError, HeaderTypeError, WrapStructError, OSError, EOFError, zlib.error, ValueError)


class Volume(NamedTuple):
    """float32 [X, Y, Z] in RAS+, x fastest in memory, and its affine, voxel index to mm, float64 [4, 4]."""

    data: np.ndarray
    affine: np.ndarray


class _Unusable(Exception):
    """Why a scan is refused; `load_volume` adds its name."""


def load_volume(path: str | Path, grid: Grid | None = None) -> Volume:
    """Reads a NIfTI-1/2, MGH or Analyze file; resampled to `grid` where one is given and the file does not fit it.

    Raises: InputError with the file's name and the reason, for anything but one finite 3D volume.
    """
    path = Path(path)
    try:
        image = _open(path)
        data, affine = _canonical(image)
        _check_values(data)
        if grid is not None and not fits(data.shape, affine, grid):
            data, affine = resample(data, affine, grid), grid.affine
            if not data.any():
                raise _Unusable("nothing of it lies in the grid's field of view; is it registered to the template?")
        return Volume(data, affine)
    except _Unusable as reason:
        raise InputError(f"{path}: refused: {reason}") from None
    except FileNotFoundError as error:
        raise InputError(f"{error.filename or path}: no such file") from None
    except DAMAGE as error:
        raise InputError(f"{path}: refused: damaged or no image ({error})") from None


def content_digest(path: str | Path) -> str:
    """sha256 over the bytes of a scan, both files of an .img and .hdr pair. Raises: InputError if one is missing."""
    digest = hashlib.sha256()
    for part in _parts(Path(path)):
        try:
            digest.update(part.read_bytes())
        except OSError as error:
            raise InputError(f"{part}: {error.strerror}") from None
    return digest.hexdigest()


def _parts(path: Path) -> list[Path]:
    return [path.with_suffix(".hdr"), path.with_suffix(".img")] if path.suffix in (".img", ".hdr") else [path]


def _open(path: Path) -> Any:
    """nibabel's image with its voxels still unread, after its size is checked against what its header claims."""
    if not path.name.endswith(SUFFIXES):
        raise _Unusable(f"its name ends in none of {', '.join(SUFFIXES)}")
    if path.suffix in (".img", ".hdr"):
        image: Any = nibabel.load(path)
        _check_size(image.header, path.with_suffix(".img").stat().st_size, image.dataobj.offset)
        return image
    content = path.read_bytes()
    compressed = content[:2] == b"\x1f\x8b"
    with gzip.GzipFile(fileobj=io.BytesIO(content)) if compressed else io.BytesIO(content) as stream:
        start = stream.read(1024)
        kind = _image_class(path, start)
        header = kind.header_class.from_fileobj(io.BytesIO(start))
        end = _check_size(header, None if compressed else len(content), header.get_data_offset())
        content = start + stream.read(max(end + TRAILING - len(start), 0))  # to the end, where gzip's checksum is
        if len(content) < end:
            raise _Unusable(f"truncated: its header promises {end} bytes, it has {len(content)}")
        if stream.read(1):
            raise _Unusable(f"more than {TRAILING} bytes follow its voxels")
    return kind.from_bytes(content)


def _image_class(path: Path, start: bytes) -> Any:
    if path.suffix in (".mgz", ".mgh"):
        return nibabel.MGHImage
    size = start[:4]
    if size in (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c"):  # sizeof_hdr of NIfTI-1, in either byte order
        return nibabel.Nifti1Image
    if size in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c"):
        return nibabel.Nifti2Image
    raise _Unusable("it has no NIfTI header")


def _check_size(header, file_size: int | None, offset: int) -> int:
    """Returns where the voxels end; refuses a header that claims more than the file has or than memory should hold."""
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    if dtype.fields or dtype.kind not in "iuf":
        raise _Unusable(f"its voxels are {dtype}, not plain numbers")
    if len(shape) < 3 or any(size != 1 for size in shape[3:]) or min(shape) < 1:
        raise _Unusable(f"its shape is {tuple(map(int, shape))}; one 3D volume is needed")
    claimed = math.prod(map(int, shape)) * dtype.itemsize
    if claimed > LARGEST:
        raise _Unusable(f"its header claims {claimed / 2**30:.1f} GiB of voxels")
    if file_size is not None and offset + claimed > file_size:
        raise _Unusable(f"truncated: its header promises {offset + claimed} bytes, it has {file_size}")
    return int(offset + claimed)


def _canonical(image) -> tuple[np.ndarray, np.ndarray]:
    """float32 voxels [X, Y, Z] and affine with the axes permuted and flipped to the closest RAS+."""
    affine = image.affine
    if affine is None or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise _Unusable("its affine is missing, not finite or singular, so its axes are unknown")
    data = np.asanyarray(image.dataobj, np.float32)
    data = data.reshape(data.shape[:3])
    orientation = io_orientation(affine)
    affine = affine @ inv_ornt_aff(orientation, data.shape)
    return np.asfortranarray(apply_orientation(data, orientation)), affine


def _check_values(data: np.ndarray) -> None:
    low, high = data.min(), data.max()  # NaN in either if there is one anywhere
    if not (np.isfinite(low) and np.isfinite(high)):
        raise _Unusable(f"{np.count_nonzero(~np.isfinite(data))} of its voxels are NaN or infinite")
    if low == high:
        raise _Unusable(f"all its voxels are {low:g}")
