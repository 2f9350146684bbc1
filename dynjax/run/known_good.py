"""What inspections found in scans that can be used, kept in the cache until a file of theirs is written to."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from dynjax.files import cache_folder, write_text
from dynjax.projection.store import Projection
from dynjax.volumes.finding import Finding
from dynjax.volumes.inspection import Facts, Inspection
from dynjax.volumes.nifti import file_digest

RECIPE = 1  # raised whenever a scan may get another verdict, so that those remembered are not used


class KnownGood:
    """The memory of one cohort, named by its source, the grid and what becomes of NaN."""

    def __init__(self, source: str, projection: Projection):
        description = json.dumps([RECIPE, source, projection.grid, projection.nan])
        key = hashlib.sha256(description.encode()).hexdigest()[:16]
        self.path = cache_folder() / "checked" / f"{key}.json"

    def recall(self, paths: Sequence[Path]) -> dict[Path, Inspection]:
        """What was found in those of the scans that are unchanged since, by path, size and time of change."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            digests = {path: file_digest(path) for path in paths}
            return {path: _inspection(stored[digest]) for path, digest in digests.items() if digest in stored}
        except (OSError, ValueError, TypeError, LookupError):  # none, or damaged: the scans are inspected again
            return {}

    def remember(self, found: dict[Path, Inspection]) -> None:
        """Keeps these and no others; refused scans are inspected every time."""
        good = {file_digest(path): inspection for path, inspection in found.items() if inspection.facts is not None}
        write_text(self.path, json.dumps(good))


def _inspection(stored: list) -> Inspection:
    findings, facts = stored
    return Inspection(tuple(Finding(*finding) for finding in findings), Facts(*map(_tupled, facts)))


def _tupled(value):
    return tuple(value) if isinstance(value, list) else value
