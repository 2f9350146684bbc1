"""Writes a map of a scan, such as an attribution, as NIfTI: on the grid, and in the scan's own space."""

from pathlib import Path

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.orientations import apply_orientation, ornt_transform

from dynjax.files import atomic_path
from dynjax.volumes.density import resample_density
from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.grid import fits, place
from dynjax.volumes.header import VoxelLayout
from dynjax.volumes.nifti import open_scan
from dynjax.volumes.reading import Reading
from dynjax.volumes.resampling import in_ras

SCANNER, ALIGNED = 1, 2  # NIfTI's codes of the scanner's space, and of one that is shared with other files
RAS = np.array([[0, 1], [1, 1], [2, 1]])  # nibabel's orientation of axes that are in RAS+
# What places a NIfTI file's voxels, beside pixdim.
PLACE = (
    "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "sform_code", "srow_x", "srow_y", "srow_z",
)  # fmt: skip


def write_map(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    """Writes a map on the grid as float32 .nii.gz.

    Args: values, [X, Y, Z] on the grid; affine, which `load_volume` returned with the volume, float64 [4, 4].

    Raises: OSError if it cannot be written; what stood there before is then left.
    """
    _save(path, values, _placed_by(affine, ALIGNED), "per voxel")


def write_map_in_scan(path: Path, values: np.ndarray, scan: Path, reading: Reading) -> float:
    """Writes a map on the grid as a density per mm^3 in a scan's own space, as float32 .nii.gz.

    The file has the scan's shape, order of axes, affine, sform and qform, so that viewers lay it over the scan. This
    also holds for a scan without an origin, which was read as lying in the middle of the grid. If the scan lies on the
    grid, no voxel is interpolated; otherwise see `resample_density`.

    Args: values, [X, Y, Z] on the grid; reading, by which `load_volume(scan, *reading)` read the scan.

    Returns: the density's sum times the voxel's volume, the map's sum less what lies outside the scan's field of view.

    Raises: InputError if the scan cannot be read any more; OSError if the map cannot be written.
    """
    try:
        with open_scan(scan) as opened:
            layout = opened.layout
    except RefusedVolume as refused:
        raise refused.error(scan) from None
    volume = float(abs(np.linalg.det(layout.affine[:3, :3])))  # mm^3
    density = _density(values, layout, reading, volume)
    _save(path, density, _placed_as(layout), "density per mm^3")
    return float(density.sum(dtype=np.float64)) * volume


def _density(values: np.ndarray, layout: VoxelLayout, reading: Reading, volume: float) -> np.ndarray:
    """Returns a map as a density in the scan's shape and order of axes, float32."""
    placed = place(layout.shape, layout.affine, reading.recipe)
    orientation, shape, affine = in_ras(layout.shape, placed)
    if fits(shape, affine, reading.grid, reading.recipe):
        density = values / np.float32(volume)
    else:
        density = resample_density(values, reading.grid, shape, affine)
    return apply_orientation(density, ornt_transform(RAS, orientation))


def _placed_as(layout: VoxelLayout) -> Nifti1Header:
    """Returns a header that places voxels as the scan's does, without a qform that is broken."""
    scan = layout.header
    if scan is None:
        return _placed_by(layout.affine, SCANNER)
    header = Nifti2Header() if isinstance(scan, Nifti2Header) else Nifti1Header()
    for name in PLACE:
        header[name] = scan[name]
    header["pixdim"][:4] = scan["pixdim"][:4]
    if any(finding.kind == "qform" for finding in layout.findings):
        header["qform_code"] = 0
    if not header["qform_code"]:  # the sizes of voxels then place nothing, and may be wrong
        header["pixdim"][:4] = [1, *np.linalg.norm(layout.affine[:3, :3], axis=0)]
    return header


def _placed_by(affine: np.ndarray, code: int) -> Nifti1Header:
    header = Nifti1Header()
    header.set_qform(affine, code)  # without shears, which it cannot have
    header.set_sform(affine, code)
    return header


def _save(path: Path, values: np.ndarray, header: Nifti1Header, unit: str) -> None:
    header.set_data_dtype(np.float32)
    header.set_xyzt_units("mm")
    header["descrip"] = unit
    kind = nibabel.Nifti2Image if isinstance(header, Nifti2Header) else nibabel.Nifti1Image
    with atomic_path(path) as temporary:
        nibabel.save(kind(values, None, header), temporary)  # no affine: nibabel would set the codes anew
