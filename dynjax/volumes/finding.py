"""What can be wrong with a scan: each kind of problem with its remedy, and the exception that refuses for one."""

from typing import NamedTuple

AGAIN = "copy or download the file again"
CONVERT = "convert the scan again from its source, or mend the header"
LOOK = "look at the scan in a viewer; leave it out of the table if it is not what it should be"

REMEDIES = {
    # a scan is refused for one of these
    "missing": "correct its path in the scan table",
    "unreadable": "make it a file that may be read",
    "not an image": "name a NIfTI, MGH or Analyze file in the scan table",
    "damaged": AGAIN,
    "truncated": AGAIN,
    "header": CONVERT,
    "not 3D": "extract the one volume to be used and list that",
    "voxel type": "convert it to plain integers or floating point numbers",
    "affine": CONVERT,
    "too large": "resample it to voxels of 1 mm, or store it as 16-bit integers",
    "NaN": "make them 0 with --config.volume.nan=zero if they lie outside the brain of a masked scan",
    "infinite": "find out which step of the preprocessing made them, and do it again",
    "constant": AGAIN + ", or leave it out of the table",
    "outside the grid": "register it to the template, as `python main.py prepare` does",
    "registration": LOOK,
    # and warned of for one of these
    "NaN outside": "",
    "orientation": "make sure that its axes are right, left and anterior as it says, and set its sform_code",
    "sform and qform": "the sform is used; copy it over the qform if it is right, or else the qform over it",
    "trailing bytes": AGAIN + " if they are not known to be harmless",
    "grid": "bring all scans to one grid by the same preprocessing",
    "field of view": LOOK,
    "skull": "strip its skull, as those of the others are; `python main.py prepare` does",
}


class Finding(NamedTuple):
    """A problem of a scan: its kind, one of REMEDIES, and what was found."""

    kind: str
    detail: str

    @property
    def remedy(self) -> str:
        return REMEDIES[self.kind]


class RefusedVolume(Exception):
    """A scan cannot be used; who catches it adds the scan's name."""

    def __init__(self, kind: str, detail: str):
        self.finding = Finding(kind, detail)
        super().__init__(detail)
