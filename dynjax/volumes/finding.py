"""The kinds of problem that a scan can have, each with its remedy, and the exception that refuses a scan."""

from typing import NamedTuple

AGAIN = "copy or download the file again"
CONVERT = "convert the scan again from its source, or fix the header"
LOOK = "look at the scan in a viewer; remove it from the scan table if it is wrong"

REMEDIES = {
    # reasons to refuse a scan
    "missing": "correct its path in the scan table",
    "unreadable": "make it a regular file with permission to read",
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
    "outside the grid": "register it to the template, as `python main.py prepare` does",
    "registration": LOOK,
    # reasons to warn about a scan
    "NaN outside": "",
    "orientation": "check in a viewer that left and right are correct, and set its sform_code",
    "sform and qform": "the sform is used; copy it over the qform if it is right, otherwise copy the qform over it",
    "trailing bytes": AGAIN + " unless those bytes are known to be harmless",
    "grid": "preprocess all scans in the same way, onto one grid",
    "field of view": LOOK,
    "skull": "strip its skull as in the other scans; `python main.py prepare` does that",
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
