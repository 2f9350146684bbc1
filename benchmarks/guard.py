"""Shows what `predict` makes of scans unlike those of a run: python -m benchmarks.guard (`make guard`).

The run is the demo's fine-tuned one, or that of a folder: OPTIONS=runs/demo/best. False alarms are counted on fresh
phantoms of other seeds, at both visits; then each kind of
change of `benchmarks.changes` is applied to some of them. Thresholds were fixed before, on other seeds.
"""

import collections
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from benchmarks.changes import KNOWN, NEW, Change
from dynjax.cohort.phantom.anatomy import AFFINE, load_anatomy
from dynjax.cohort.phantom.subject import draw_subjects, render_scan
from dynjax.projection.store import project_volume
from dynjax.run import settings
from dynjax.run.guarding import read_guard, sketch_volume
from dynjax.run.inputs import network_input
from dynjax.run.runtime import configure_jax
from dynjax.run.trained import load_networks
from dynjax.run.workdir import Workdir
from dynjax.volumes.nifti import Volume, load_volume

RUN = Path("runs", "demo", "dyn_mobilenet_v2")
SEEDS, SUBJECTS, VISITS = (300, 301, 302), 60, 2  # of the fresh phantoms
CHANGED = 4  # of which this many are changed
VERDICTS = ("ok", "warning", "refused")


class Judge:
    """Judges volumes on the run's grid as `predict` does."""

    def __init__(self, run: Path):
        self.networks, guard = load_networks(Workdir(run)), read_guard(Workdir(run))
        if guard is None:
            raise SystemExit(f"{run}: keeps nothing of its cohort; run evaluate on it")
        self.guard, self.config = guard, self.networks[0].config
        self.projection = settings.projection_of(self.config)

    def __call__(self, volume: Volume) -> tuple[str, float, str]:
        """Returns verdict, deviation and reason."""
        projected = project_volume(Path("scan"), volume, self.projection)
        image = network_input(self.config, self.networks[0].trunk, projected)[None]
        seen = self.guard.seen(self.networks, [network.answer(image) for network in self.networks])
        found, reason = self.guard.judge(sketch_volume(volume), {fold: each[0] for fold, each in seen.items()})
        return found.verdict, found.deviation, reason


def main(options: list[str]) -> int:
    configure_jax()
    judge = Judge(Path(options[0]) if options else RUN)
    print(
        f"SYNTHETIC. {judge.guard.reference.scans} scans; own far end {judge.guard.reference.far_end:.1f} deviations\n"
    )
    some = _false_alarms(judge)
    for title, changes in (("looked at while building", KNOWN), ("not looked at before", NEW)):
        print(f"\n| {title} | strength: verdicts over {CHANGED} scans | at the largest, in words |\n|---|---|---|")
        for change in changes:
            print(_row(judge, change, some), flush=True)
    _other_grids(judge, some)
    return 0


def _fresh() -> Iterator[np.ndarray]:
    anatomy = load_anatomy()
    for seed in SEEDS:
        for subject in draw_subjects(SUBJECTS, seed):
            for visit in range(VISITS):
                yield render_scan(subject, visit, seed, anatomy)


def _false_alarms(judge: Judge) -> list[np.ndarray]:
    """Prints how many fresh phantoms are warned of or refused; returns some of them."""
    verdicts, deviations, some, start = [], [], [], time.monotonic()
    for index, volume in enumerate(_fresh()):
        verdict, deviation, _ = judge(Volume(np.asfortranarray(volume, np.float32), AFFINE))
        verdicts.append(verdict)
        deviations.append(deviation)
        if index % (len(SEEDS) * SUBJECTS * VISITS // CHANGED) == 0:
            some.append(volume.astype(np.float32))
    counts = collections.Counter(verdicts)
    text = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    print(f"false alarms: of {len(verdicts)} fresh phantoms {text}; largest deviation {max(deviations):.1f}", end=" ")
    print(f"({time.monotonic() - start:.0f} s)")
    return some


def _row(judge: Judge, change: Change, volumes: Sequence[np.ndarray]) -> str:
    cells, worst, reason = [], collections.Counter(), ""
    for strength in change.strengths:
        found = [judge(Volume(np.asfortranarray(change.apply(v, strength), np.float32), AFFINE)) for v in volumes]
        worst = collections.Counter(verdict for verdict, _, _ in found)
        deviation = np.median([deviation for _, deviation, _ in found])
        reason = found[0][2].partition("): ")[2]
        cells.append(f"{strength}: {_counts(worst)} ({deviation:.0f})")
    missed = {"not ok": worst["ok"], "refused": worst["ok"] + worst["warning"]}.get(change.wanted, 0)
    note = f" **wanted: {change.wanted}**" if missed else ""
    return f"| {change.name} | {'; '.join(cells)}{note} | {reason} |"


def _counts(verdicts: collections.Counter) -> str:
    return ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS if verdicts[verdict])


def _other_grids(judge: Judge, volumes: Sequence[np.ndarray]) -> None:
    """Prints the verdicts on the same heads, stored on other grids."""
    print("\n| the same heads on another grid | verdicts |\n|---|---|")
    for name, size, turn in (
        ("voxels of 1.5 mm", 1.5, 0),
        ("voxels of 1 mm", 1.0, 0),
        ("oblique by 8 degrees", 2.0, 8),
    ):
        found = collections.Counter(judge(_elsewhere(judge, volume, size, turn))[0] for volume in volumes)
        print(f"| {name} | {_counts(found)} |", flush=True)


def _elsewhere(judge: Judge, volume: np.ndarray, size: float, degrees: float) -> Volume:
    """Stores a head with voxels of `size` mm and turned axes, left to right, and reads it again."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    axes = turn @ np.diag([-size, size, size])
    shape = np.ceil(np.array(volume.shape) * 2.0 / size).astype(int) + 8
    affine = np.eye(4)
    affine[:3, :3] = axes
    middle = AFFINE[:3, :3] @ ((np.array(volume.shape) - 1) / 2) + AFFINE[:3, 3]
    affine[:3, 3] = middle - axes @ ((shape - 1) / 2)
    back = np.linalg.inv(AFFINE) @ affine
    moved = ndimage.affine_transform(volume, back[:3, :3], back[:3, 3], output_shape=tuple(shape), order=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "head.nii.gz")
        nibabel.save(nibabel.Nifti1Image(np.rint(moved).astype(np.int16), affine), path)
        return load_volume(path, *judge.projection.reading)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
