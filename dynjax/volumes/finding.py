"""The kinds of problem that a scan can have, each with its remedy, and the exception that refuses a scan."""

from pathlib import Path
from typing import NamedTuple

from dynjax.errors import InputError

AGAIN = "copy or download the file again"
CONVERT = "convert the scan again from its source, or fix the header"
LOOK = "look at the scan in a viewer; remove it from the scan table if it is wrong"

REMEDIES = {
    # reasons to refuse a scan
    "missing": "correct its path",
    "unreadable": "make it a regular file with permission to read",
    "folder": "name the scan in it, a file, in the scan table",
    "Git LFS": "fetch it with `git lfs pull`",
    "web page": "download it again: a server sent this in place of the scan",
    "empty": AGAIN,
    "compressed twice": "decompress it once with gunzip",
    "archive": "unpack it, and name the scan in it in the scan table",
    "bad row": "correct that line of the table",
    "not fetched": "fetch it with `datalad get`, in its dataset",
    "not downloaded": "download the image, and unpack it into the folder ADNI",
    "DICOM": "convert with dcm2niix, and put the .nii.gz into the folder of the DICOM files",
    "not an image": "name a NIfTI, MGH or Analyze file in the scan table",
    "damaged": AGAIN,
    "truncated": AGAIN,
    "header": CONVERT,
    "not 3D": "extract one volume and list that in the scan table",
    "voxel type": "convert it to plain integers or floating point numbers",
    "affine": CONVERT,
    "too large": "resample it to voxels of 1 mm, or store it as 16-bit integers",
    "NaN": "make them 0 with --config.volume.nan=zero if they lie outside the brain of a masked scan",
    "infinite": "find the preprocessing step that made them, and repeat it",
    "constant": AGAIN + ", or remove it from the scan table",
    "outside the grid": "register it to the template, as `dynjax prepare` does",
    "registration": LOOK,
    # reasons to warn about a scan
    "NaN outside": "",
    "orientation": "check in a viewer that left and right are correct, and set its sform_code",
    "origin": "register it to the template, as `dynjax prepare` does, or set its origin",
    "origins": "preprocess all scans in the same way: the places of the two kinds differ by what their origins say",
    "background": "set the background to 0, or pad the volume to the field of view of the others",
    "qform": "the sform is used; copy it over the qform",
    "sform and qform": "the sform is used; copy it over the qform if it is right, otherwise copy the qform over it",
    "trailing bytes": AGAIN + " unless those bytes are known to be harmless",
    "grid": "preprocess all scans in the same way, onto one grid",
    "field of view": LOOK,
    "template": "register it to MNI space, as `dynjax prepare` does",
    "skull": "strip its skull as in the other scans; `dynjax prepare` does that",
}


class Finding(NamedTuple):
    """A problem of a scan: its kind, a key of REMEDIES, and what was found."""

    kind: str
    detail: str

    @property
    def remedy(self) -> str:
        return REMEDIES[self.kind]


class RefusedVolume(Exception):
    """A scan cannot be used. Its text does not name the scan: callers add the path."""

    def __init__(self, kind: str, detail: str):
        self.finding = Finding(kind, detail)
        super().__init__(detail)

    def error(self, path: str | Path) -> InputError:
        """Returns the error for the user: the scan's path, the reason and the remedy."""
        return InputError(f"{path}: refused: {self.finding.detail}; {self.finding.remedy}")
