"""Reads what a scan's header says about its voxels, and checks all of it first."""

import math
import struct
from typing import Any, NamedTuple

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from dynjax.volumes.finding import Finding, RefusedVolume

LARGEST = 2**27  # bytes of voxels, about 400 x 400 x 400 of two bytes: decompressed within two seconds
LONGEST = 2048  # voxels along an axis
LARGEST_HEADER = 2**24  # bytes before the voxels, extensions included
ZOOMS = (0.2, 10.0)  # mm: range of voxel sizes in brain scans

NIFTI1, NIFTI2 = 348, 540  # header sizes in bytes; the first four bytes hold the size, and so show the byte order
NIFTI_STARTS = tuple(size.to_bytes(4, order) for size in (NIFTI1, NIFTI2) for order in ("little", "big"))
MGH_BYTES = 284
MGH_START = b"\x00\x00\x00\x01"
# (header size, whether it is a pair's .hdr) -> magic
MAGIC = {(NIFTI1, False): b"n+1", (NIFTI1, True): b"ni1", (NIFTI2, False): b"n+2", (NIFTI2, True): b"ni2"}
SMALLEST_EXTENSION = 16  # bytes
XFORM_CODES = range(6)
UNITS = {0: "", 2: "", 1: "metres", 3: "micrometres"}  # of length, by the lowest three bits of xyzt_units; 2 is mm


class VoxelLayout(NamedTuple):
    """Where a file stores its voxels and how to read them.

    shape: voxels along each axis. dtype: of a stored voxel. offset: bytes before the first voxel. slope, inter: value =
    slope * stored + inter. affine: voxel index to mm, float64 [4, 4]. last: whether the file should end after the
    voxels. findings: warnings. header: nibabel's, of a NIfTI file; others have none.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    offset: int
    slope: float
    inter: float
    affine: np.ndarray
    last: bool = True
    findings: tuple[Finding, ...] = ()
    header: Nifti1Header | None = None

    @property
    def size(self) -> int:
        """The number of bytes of all voxels."""
        return math.prod(self.shape) * self.dtype.itemsize


def nifti_layout(block: bytes, pair: bool = False) -> VoxelLayout:
    """Reads a NIfTI-1 or NIfTI-2 header at the start of `block`, a pair's .hdr or not. Raises: RefusedVolume."""
    header, size = _nifti_header(block)
    text, magic = header["magic"].item(), MAGIC[size, pair]
    if text[:3] != magic:
        raise RefusedVolume("header", f"its header's magic is {text!r}, not {magic!r}")
    if size == NIFTI2 and header["eol_check"].tolist() != [13, 10, 26, 10]:
        raise RefusedVolume("header", "its header's end-of-line check is wrong: it was transferred as text")
    shape, dtype = _nifti_shape(header), _nifti_type(header)
    unit = UNITS.get(int(header["xyzt_units"]) & 7, "an unknown unit")
    if unit:
        raise RefusedVolume("header", f"its header gives lengths in {unit}, not in mm")
    affine, findings = _nifti_affine(header, shape)
    offset = _offset(header, 0 if pair else size + 4)
    return _layout(shape, dtype, offset, *_nifti_scale(header), affine, findings=findings, header=header)


def mgh_layout(block: bytes) -> VoxelLayout:
    """Reads the first 284 bytes of an MGH file. Raises: RefusedVolume."""
    if len(block) < MGH_BYTES or not block.startswith(MGH_START):
        raise RefusedVolume("not an image", "it has no MGH header")
    header = MGHHeader(block[:MGH_BYTES], check=False)
    try:
        dtype = header.get_data_dtype()
    except KeyError:
        raise RefusedVolume("voxel type", f"its voxel type is unknown: {int(header['type'])}") from None
    shape = _shape(header["dims"])
    known = struct.unpack_from(">h", block, 28)[0] == 1  # from the bytes: nibabel sets a missing flag
    findings = () if known else (_unknown_orientation("goodRASFlag is not set"),)
    return _layout(shape, dtype, MGH_BYTES, 1.0, 0.0, header.get_affine(), last=False, findings=findings)


def analyze_layout(image: Any) -> VoxelLayout:
    """Reads the layout of an Analyze or SPM pair from its nibabel image. Raises: RefusedVolume."""
    header, proxy = image.header, image.dataobj
    findings = (_unknown_orientation("Analyze files do not say which side is left"),)
    shape = _shape(header.get_data_shape())
    return _layout(shape, proxy.dtype, _offset(header, 0), proxy.slope, proxy.inter, image.affine, findings=findings)


def check_extensions(data: bytes, header_size: int, big_endian: bool) -> None:
    """Checks the chain of extensions between a NIfTI header and its voxels.

    Sizes that are no multiple of 16, against the standard, are read as other readers read them, and so are zeros up to
    the voxels. Raises: RefusedVolume for an extension whose size is impossible.
    """
    # The byte after the header is 0 if there are no extensions; they begin three bytes later.
    if data[header_size : header_size + 1] in (b"", b"\x00"):
        return
    position = header_size + 4
    while position + 8 <= len(data):
        size = struct.unpack_from(">i" if big_endian else "<i", data, position)[0]
        if size == 0 and not data[position:].strip(b"\0"):
            return
        if size < SMALLEST_EXTENSION or position + size > len(data):
            raise RefusedVolume("header", f"an extension of its header claims {size} bytes, of {len(data) - position}")
        position += size


def header_size(start: bytes) -> tuple[int, bool]:
    """Reads the header's size, 348 or 540, and whether it is big-endian, from its first four bytes.

    Raises: RefusedVolume for any other size.
    """
    for big_endian, order in ((False, "<i"), (True, ">i")):
        size = struct.unpack(order, start[:4])[0] if len(start) >= 4 else 0
        if size in (NIFTI1, NIFTI2):
            return size, big_endian
    raise RefusedVolume("not an image", "it has no NIfTI header")


def _nifti_header(block: bytes) -> tuple[Any, int]:
    size, big_endian = header_size(block)
    if len(block) < size:
        raise RefusedVolume("truncated", f"truncated: it has {len(block)} of the {size} bytes of its header")
    kind = Nifti1Header if size == NIFTI1 else Nifti2Header
    return kind(block[:size], endianness=">" if big_endian else "<", check=False), size


def _layout(shape, dtype, offset, slope, inter, affine, **more) -> VoxelLayout:
    layout = VoxelLayout(shape, dtype, offset, slope, inter, _checked_affine(affine), **more)
    if dtype.kind not in "iuf" or dtype.fields:
        raise RefusedVolume("voxel type", f"its voxels are {dtype}, not plain numbers")
    if layout.size > LARGEST or max(shape) > LONGEST:
        size = " x ".join(map(str, shape))
        raise RefusedVolume("too large", f"its header claims {layout.size / 2**30:.2f} GiB of voxels, {size}")
    return layout


def _nifti_shape(header) -> tuple[int, int, int]:
    dims = [int(size) for size in header["dim"]]
    if not 1 <= dims[0] <= 7:
        raise RefusedVolume("header", f"its header claims {dims[0]} dimensions")
    return _shape(dims[1 : dims[0] + 1])


def _shape(sizes) -> tuple[int, int, int]:
    sizes = tuple(map(int, sizes))
    if min(sizes) < 1:
        raise RefusedVolume("header", f"its shape is {sizes}")
    if len(sizes) < 3 or min(sizes[:3]) < 2 or max(sizes[3:], default=1) > 1:
        raise RefusedVolume("not 3D", f"its shape is {sizes}; one 3D volume is needed")
    return sizes[0], sizes[1], sizes[2]


def _nifti_type(header) -> np.dtype:
    code, bits = int(header["datatype"]), int(header["bitpix"])
    try:
        dtype = header.get_data_dtype()
    except Exception:  # nibabel raises several types for it
        raise RefusedVolume("voxel type", f"its voxel type is unknown: datatype {code}") from None
    if dtype.kind == "V" and not dtype.fields:
        raise RefusedVolume("voxel type", f"its voxel type has no numbers: datatype {code}")
    if bits not in (0, 8 * dtype.itemsize):  # 0: left out, as it follows from the type
        raise RefusedVolume("header", f"its header claims voxels of {bits} bits, for {dtype}")
    return dtype


def _nifti_scale(header) -> tuple[float, float]:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):  # unscaled: the standard writes 0, other programs NaN
        return 1.0, 0.0
    if not math.isfinite(inter):
        raise RefusedVolume("header", f"its header scales voxels by {slope} and adds {inter}")
    return slope, inter


def _offset(header, least: int) -> int:
    offset = float(header["vox_offset"])
    if not (math.isfinite(offset) and offset.is_integer() and least <= offset <= LARGEST_HEADER):
        raise RefusedVolume("header", f"its header puts the voxels at byte {offset:g}")
    return int(offset)


def _nifti_affine(header, shape) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Returns the affine of the sform, qform or pixdim, the first that is set, and checks only what it is made of."""
    qform_code, sform_code = int(header["qform_code"]), int(header["sform_code"])
    _check_code("sform_code", sform_code)
    if sform_code:
        sform = header.get_sform()
        return sform, _beside(header, sform, shape)
    if qform_code:
        return _qform(header), ()
    _check_pixdim(header)
    return header.get_base_affine(), (_unknown_orientation("sform_code and qform_code are 0"),)


def _beside(header, sform: np.ndarray, shape) -> tuple[Finding, ...]:
    """Warns if what stands beside the sform, which is used, disagrees with it or is broken."""
    if not header["qform_code"]:
        return _disagreement(sform, header.get_base_affine(), "pixdim", shape)
    try:
        return _disagreement(sform, _qform(header), "qform", shape)
    except RefusedVolume as broken:
        return (Finding("qform", broken.finding.detail),)


def _qform(header) -> np.ndarray:
    """Raises: RefusedVolume if the qform, or the pixdim that it needs, is broken."""
    _check_code("qform_code", int(header["qform_code"]))
    _check_pixdim(header)
    factor = float(header["pixdim"][0])
    if factor not in (-1, 0, 1):
        raise RefusedVolume("header", f"its header's pixdim[0] is {factor}, not 1 or -1")
    header["pixdim"][0] = factor or 1  # the standard reads 0 as 1
    try:
        qform = header.get_qform()
    except ValueError:
        raise RefusedVolume("affine", "the quaternion of its qform is not a rotation") from None
    if not np.isfinite(qform).all():
        raise RefusedVolume("affine", "its qform is not finite")
    return qform


def _check_code(name: str, code: int) -> None:
    if code not in XFORM_CODES:
        raise RefusedVolume("header", f"its header's {name} is {code}")


def _check_pixdim(header) -> None:
    _check_zooms(header["pixdim"][1:4], "header", "its header's pixdim")


def _disagreement(sform: np.ndarray, other: np.ndarray, name: str, shape) -> tuple[Finding, ...]:
    """Warns if the sform and another affine put a corner more than a voxel apart.

    An affine from pixdim has only the size of a voxel: the warning then is for sizes that differ by more than 1 %.
    """
    sides, others = (np.linalg.norm(affine[:3, :3], axis=0) for affine in (sform, other))
    if name == "pixdim":
        if np.allclose(sides, others, rtol=0.01):
            return ()
        return (Finding("sform and qform", f"voxels of {_mm(sides)} by its sform, {_mm(others)} by its pixdim"),)
    ends = [(0, size - 1) for size in shape]
    corners = np.array(np.meshgrid(*ends, [1], indexing="ij")).reshape(4, -1)  # homogeneous, [4, 8]
    distance = np.linalg.norm(((sform - other) @ corners)[:3], axis=0).max()
    if distance <= max(sides):
        return ()
    return (Finding("sform and qform", f"its sform and qform put a corner {distance:.4g} mm apart"),)


def _checked_affine(affine) -> np.ndarray:
    affine = np.asarray(affine, np.float64)
    if not np.isfinite(affine).all():
        raise RefusedVolume("affine", "its affine is not finite")
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    _check_zooms(sides, "affine", "its affine")
    if abs(np.linalg.det(affine[:3, :3] / sides)) < 1e-3:
        raise RefusedVolume("affine", "its affine is singular: two axes point the same way")
    return affine


def _check_zooms(sides, kind: str, whose: str) -> None:
    low, high = ZOOMS
    if not all(0.99 * low <= side <= 1.01 * high for side in sides):  # NaN fails too
        raise RefusedVolume(kind, f"{whose} makes voxels of {_mm(sides)}; {low} to {high} mm are possible")


def _mm(sides) -> str:
    return " x ".join(f"{side:.3g}" for side in sides) + " mm"


def _unknown_orientation(why: str) -> Finding:
    return Finding("orientation", f"its orientation is unknown: {why}")
