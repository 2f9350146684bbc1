"""Remembers the inspections of usable scans, in the cache, until their files change."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from dynjax.files import cache_folder, optional, write_text
from dynjax.projection.store import Projection
from dynjax.volumes.digests import file_digest
from dynjax.volumes.finding import Finding
from dynjax.volumes.inspection import Facts, Inspection

RECIPE = 2  # raise it whenever a scan may get another verdict: older memories are then not used


class KnownGood:
    """The remembered inspections of one cohort, read in one way."""

    def __init__(self, source: str, projection: Projection):
        description = json.dumps([RECIPE, source, projection.reading])
        key = hashlib.sha256(description.encode()).hexdigest()[:16]
        self.path = cache_folder() / "checked" / f"{key}.json"

    def recall(self, paths: Sequence[Path]) -> dict[Path, Inspection]:
        """Returns the inspections of the scans whose path, size and modification time are unchanged."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            digests = {path: file_digest(path) for path in paths}
            return {path: _inspection(stored[digest]) for path, digest in digests.items() if digest in stored}
        except (OSError, ValueError, TypeError, LookupError):  # missing or damaged: the scans are inspected again
            return {}

    def remember(self, found: dict[Path, Inspection]) -> None:
        """Replaces the memory by these inspections, without refused scans, which are inspected every time."""
        good = {file_digest(path): inspection for path, inspection in found.items() if inspection.facts is not None}
        with optional():
            write_text(self.path, json.dumps(good))


def _inspection(stored: list) -> Inspection:
    findings, facts = stored
    return Inspection(tuple(Finding(*finding) for finding in findings), Facts(*map(_tupled, facts)))


def _tupled(value):
    return tuple(value) if isinstance(value, list) else value
