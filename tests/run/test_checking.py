"""What `check` and `train` see in a cohort of which all scans have the same fault, or were read for another table."""

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from dynjax.projection.store import Projection, project_cohort
from dynjax.run.checking import inspect_anew, inspect_unknown
from dynjax.volumes.grid import Grid
from dynjax.volumes.nifti import load_volume

GRID = Grid((55, 55, 55), 4.0)
PROJECTION = Projection(GRID)


def cohort_of(folder, change, count=3):
    scans = load_cohort(phantom_cohort(12, 0, False, ("CN", "AD"))).scans
    chosen = [next(scan for scan in scans if scan.label == label) for label in ("CN", "AD")] + [scans[-1]]
    lines = ["subject,session,label,path"]
    for number, scan in enumerate(chosen[:count]):
        data = np.asfortranarray(change(load_volume(scan.path, GRID).data), np.float32)
        nibabel.save(nibabel.Nifti1Image(data, GRID.affine), folder / f"{number}.nii.gz")
        lines.append(f"s{number},1,{scan.label},{number}.nii.gz")
    (folder / "scans.csv").write_text("\n".join(lines) + "\n")
    return load_cohort(folder / "scans.csv")


def kinds(found):
    return [[finding.kind for finding in inspection.findings] for inspection in found.values()]


FAULTS = {
    "upside down": (lambda v: v[:, :, ::-1], "template"),
    "not registered": (lambda v: np.roll(v, 9, axis=1), "template"),
    "not stripped": (lambda v: np.where(ndimage.binary_dilation(v > 0, iterations=4) & (v == 0), v.max(), v), "skull"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_all_scans_share_is_warned_of(tmp_path, name, capsys):
    change, kind = FAULTS[name]
    cohort = cohort_of(tmp_path, change)
    assert all(kind in own for own in kinds(inspect_anew(cohort, PROJECTION)))
    again = cohort._replace(source=f"{cohort.source} as another table")
    inspect_unknown(again, PROJECTION)
    assert f"warning: {kind}: 3 scans" in capsys.readouterr().out


def test_good_scans_are_not_warned_of(tmp_path):
    assert kinds(inspect_anew(cohort_of(tmp_path, lambda v: v), PROJECTION)) == [[], [], []]


def test_scans_that_are_stored_for_another_table_are_inspected_for_this_one(tmp_path, capsys):
    cohort = cohort_of(tmp_path, lambda v: v[:, :, ::-1])
    project_cohort([scan.path for scan in cohort.scans], PROJECTION)
    found = inspect_unknown(cohort, PROJECTION)
    assert len(found) == 3 and "warning: template: 3 scans" in capsys.readouterr().out
    assert inspect_unknown(cohort, PROJECTION) == found  # remembered, and not said again
    assert "warning" not in capsys.readouterr().out
