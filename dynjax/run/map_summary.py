"""Sums up the maps of a run's scans: means by class and correctness, agreement of networks, regions of an atlas."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dynjax.csv_table import write_csv
from dynjax.evaluation.metrics import THRESHOLD
from dynjax.explanation.measures import likeness
from dynjax.explanation.regions import Region, describe_regions, sum_regions
from dynjax.files import write_text
from dynjax.report.wording import interval, number
from dynjax.run.explaining import Chosen, Explanation
from dynjax.run.explanation import INDEX
from dynjax.run.maps import PICTURE, VIEWER
from dynjax.volumes.intensity import intensity_range
from dynjax.volumes.map_files import write_map

COLUMNS = ["region", "voxels", "class", "subjects", "sum", "low", "high", "density", "gain"]


class Atlas(NamedTuple):
    """Numbered regions on the grid, int [X, Y, Z], the name of each number that is there, and the file's name."""

    regions: np.ndarray
    names: dict[int, str]
    file: str


class Summary:
    """Collects what is said of all scans, and keeps none of their maps."""

    def __init__(self, labels: tuple[str, str], atlas: Atlas | None):
        self.labels, self.atlas = labels, atlas
        self.affine = np.eye(4)
        self.sums: dict[tuple[str, bool], list[Any]] = {}  # (label, correct) -> count, sum of maps, sum of volumes
        self.seen: dict[Path | None, list[Any]] = {}  # checkpoint -> count, sum of what it made of the scans
        self.regions: list[np.ndarray] = []
        self.scans: list[dict[str, Any]] = []
        self.targets: list[int] = []

    def add(self, scan: Chosen, found: Explanation) -> None:
        """Adds a scan of the run."""
        low, extent = intensity_range(found.volume.data)
        threshold = np.mean([network.about.get("threshold", THRESHOLD) for network in scan.networks])
        called = self.labels[int(found.about["probability"] >= threshold)]
        self.affine = found.volume.affine
        _add(self.sums, (scan.label, called == scan.label), found.values, (found.volume.data - low) / extent)
        for network, seen in zip(scan.networks, found.seen):
            _add(self.seen, network.path, seen.astype(np.float64))
        if self.atlas:
            self.regions.append(sum_regions(found.values, self.atlas.regions, list(self.atlas.names)))
        self.targets.append(self.labels.index(scan.label))
        self.scans.append({
            "subject": scan.subject,
            "session": scan.session,
            "folder": scan.folder,
            "label": scan.label,
            "probability": found.about["probability"],
            "logit": found.about["logit"],
            "picture": f"{scan.folder}/{PICTURE}",
            "viewer": f"{scan.folder}/{VIEWER}",
        })  # fmt: skip

    def write(self, folder: Path, about: dict[str, Any]) -> None:
        """Writes the mean maps, regions.csv if there is an atlas, and explanation.json, which has `about` as well."""
        groups = [self._write_group(folder, *key) for key in sorted(self.sums)]
        means = [total / count for count, total in self.seen.values()]
        agreement = likeness(means)
        index = about | {
            "positive_class": self.labels[1],
            "labels": list(self.labels),
            "agreement": None if agreement is None else {"mean": agreement, "networks": len(means)},
            "groups": groups,
            "regions": self._write_regions(folder),
            "scans": self.scans,
        }
        write_text(folder / INDEX, json.dumps(index, indent=2, allow_nan=False) + "\n")

    def _write_group(self, folder: Path, label: str, correct: bool) -> dict[str, Any]:
        count, values, volume = self.sums[label, correct]
        name = f"{self.labels.index(label)}_{'correct' if correct else 'wrong'}.nii.gz"
        write_map(folder / f"mean_map_{name}", values / count, self.affine)
        write_map(folder / f"mean_scan_{name}", volume / count, self.affine)
        about = {"label": label, "correct": correct, "n": count}
        return about | {"map": f"mean_map_{name}", "volume": f"mean_scan_{name}"}

    def _write_regions(self, folder: Path) -> dict[str, Any] | None:
        if self.atlas is None:
            return None
        sizes = [int((self.atlas.regions == each).sum()) for each in self.atlas.names]
        names = list(self.atlas.names.values())
        found = describe_regions(np.stack(self.regions), np.array(self.targets), self.labels, names, sizes)
        rows = [_cells(region) for region in found]
        write_csv(folder / "regions.csv", COLUMNS, [["" if cell is None else cell for cell in row] for row in rows])
        return {
            "atlas": self.atlas.file,
            "columns": ["region", "voxels", "class", "sum (95 % interval)", "mean of a voxel", "gain"],
            "rows": [_shown(region) for region in found],
        }


def _add(sums: dict[Any, list[Any]], key: Any, *arrays: np.ndarray) -> None:
    count, *totals = sums.get(key, [0, *(0.0 for _ in arrays)])
    sums[key] = [count + 1, *(total + array for total, array in zip(totals, arrays))]


def _cells(region: Region) -> list[Any]:
    return [region.name, region.voxels, region.label, region.subjects, *region.total, region.density, region.gain]


def _shown(region: Region) -> list[Any]:
    mean, low, high = region.total
    text = f"{number(mean)} {interval(None if low is None or high is None else [low, high])}".strip()
    return [region.name, region.voxels, region.label, text, region.density, region.gain]
