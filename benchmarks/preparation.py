"""Measures the accuracy of `prepare` on raw scans of synthetic subjects: python -m benchmarks.preparation [N].

Each scan is a phantom with skull and neck, rotated by 15 degrees, shifted by 20 mm, scaled by up to 1.1 and sheared,
with its own voxels and axes, a bias field and noise (`make preparation`). The residual is the distance between the
places where the true and the found affine put a voxel of the brain. Dice compares the masks in MNI space.
"""

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from scipy import ndimage

from benchmarks.raw_scans import RawScan, points, raw_scan
from dynjax.cohort.phantom.anatomy import AFFINE
from dynjax.volumes.grid import Grid

ROOT = Path(__file__).parents[1]
SCANS = 8


class Accuracy(NamedTuple):
    """The accuracy of a scan. mean, largest: residual in mm over the brain's voxels. dice: of the brain's masks."""

    mean: float
    largest: float
    dice: float


def write_table(folder: Path, scans: dict[str, RawScan]) -> Path:
    """Writes the scans as files with a scan table, and returns the table."""
    with open(folder / "scans.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "session", "label", "path", "scanner"])
        for name, scan in scans.items():
            nibabel.save(scan.image, folder / f"{name}.nii.gz")
            writer.writerow([name, "bl", scan.label, f"{name}.nii.gz", "".join(nibabel.aff2axcodes(scan.image.affine))])
    return folder / "scans.csv"


def accuracy(scan: RawScan, found: np.ndarray, mask: np.ndarray, grid: Grid) -> Accuracy:
    """Measures the found affine, float64 [4, 4], and the mask on the grid, bool [X, Y, Z], against the truth."""
    error = found @ np.linalg.inv(scan.moved) - scan.own
    apart = np.linalg.norm((points(np.argwhere(scan.brain)) @ error.T)[:, :3], axis=1)
    back = np.linalg.inv(AFFINE) @ scan.moved @ np.linalg.inv(found) @ grid.affine
    moved = ndimage.affine_transform(scan.brain.astype(np.float32), back[:3, :3], back[:3, 3], grid.shape, order=1)
    truth = moved > 0.5
    return Accuracy(apart.mean(), apart.max(), 2 * np.sum(truth & mask) / (np.sum(truth) + np.sum(mask)))


def main(count: int = SCANS) -> None:
    scans = {f"p{number}": raw_scan(number) for number in range(count)}
    with tempfile.TemporaryDirectory() as folder:
        table, out = write_table(Path(folder), scans), Path(folder, "prepared")
        command = [sys.executable, "main.py", "prepare", "--config=configs/dyn_vgg11.py"]
        start = _clocks()
        subprocess.run([*command, f"--config.cohort.table={table}", f"--out={out}"], cwd=ROOT, check=True)
        seconds, cpu = (_clocks() - start) / count
        print(f"\nSYNTHETIC subjects, {seconds:.1f} s a scan on {os.cpu_count()} cores, {cpu:.1f} s of one\n")
        print(f"{'':6}{'axes':6}{'mm':18}{'residual, mm: mean':>20}{'max':>7}{'Dice':>8}{'like the template':>19}")
        found = []
        for name, about in zip(scans, json.loads((out / "prepare.json").read_text())["scans"]):
            mask = np.asarray(nibabel.load(out / f"{name}_bl_T1w.nii.gz").dataobj) > 0
            found.append(accuracy(scans[name], np.array(about["affine"]), mask, Grid()))
            image = scans[name].image
            sides = " x ".join(f"{side:.3g}" for side in image.header.get_zooms())
            how = f"{''.join(nibabel.aff2axcodes(image.affine)):6}{sides:18}"
            mean, largest, dice = found[-1]
            print(f"{name:6}{how}{mean:20.2f}{largest:7.2f}{dice:8.3f}{about['similarity']:19.2f}")
    mean, largest, dice = np.mean(found, axis=0)
    print(f"{'mean':30}{mean:20.2f}{largest:7.2f}{dice:8.3f}")


def _clocks() -> np.ndarray:
    """Returns a wall clock and the CPU seconds of the commands so far, over all cores."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.array([time.monotonic(), used.ru_utime + used.ru_stime])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
