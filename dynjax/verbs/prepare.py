"""`prepare`: turns raw T1 scans into volumes on the grid, and writes the scan table that lists them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import FrozenConfigDict

from dynjax import __version__
from dynjax.cohort.scan import Cohort, Scan
from dynjax.cohort.table import OPTIONAL, PHANTOM_MARK, REQUIRED
from dynjax.csv_table import to_csv
from dynjax.errors import InputError, UsageError, listed
from dynjax.files import can_be_written, expanded, lock, write_text
from dynjax.projection.store import Projection
from dynjax.run import settings
from dynjax.run.data import find_cohort
from dynjax.work.parallel import parallel_map

if TYPE_CHECKING:
    from dynjax.preprocess.prepared import PreparedScan  # needs SimpleITK

TABLE, REPORT, LOCK = "scans.csv", "prepare.json", ".prepare.lock"


def prepare(config: FrozenConfigDict, out: Path | None) -> None:
    """Prepares every scan of the config's cohort that is not yet in `out`, and writes their table.

    Raises: UsageError if SimpleITK is missing or `out` cannot be used; InputError, once all good scans are prepared, if
    any was refused.
    """
    config = settings.resolve(config)
    folder = _checked(out)
    _check_installed()
    cohort = find_cohort(config)
    if Path(cohort.source).absolute() == folder / TABLE:
        raise UsageError(f"--out={out}: that folder lists the raw scans; name another folder")
    print(cohort.describe(), flush=True)
    try:
        with lock(folder / LOCK, wait=False):
            _begin(folder, cohort)
            projection = settings.projection_of(config)
            _finish(folder, cohort, projection, _prepare_all(folder, cohort, projection))
    except BlockingIOError as holder:
        raise UsageError(f"--out={folder}: is being written by {holder}; choose another folder") from None


def _prepare_all(folder: Path, cohort: Cohort, projection: Projection) -> list[PreparedScan | InputError]:
    from dynjax.preprocess.prepared import file_names, prepare_scan

    def attempt(item: tuple[Scan, str]) -> PreparedScan | InputError:
        try:
            return prepare_scan(*item, folder, projection.reading)
        except InputError as error:
            return error

    items = list(zip(cohort.scans, file_names(cohort.scans)))
    return parallel_map(attempt, items, f"preparing {len(items)} scans", travels=True)


def _check_installed() -> None:
    if importlib.util.find_spec("SimpleITK") is None:
        raise UsageError("prepare needs SimpleITK: pip install 'dynjax[preprocess]'")


def _checked(out: Path | None) -> Path:
    if out is None:
        raise UsageError("--out=DIR is needed, the folder for the prepared scans")
    folder = expanded(out).absolute()
    if (os.path.lexists(folder) and not folder.is_dir()) or not can_be_written(folder / REPORT):
        raise UsageError(f"--out={out}: cannot be written; name a folder that can")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / LOCK).exists():
        raise UsageError(f"--out={out}: holds files that `prepare` did not make; name another folder")
    return folder


def _begin(folder: Path, cohort: Cohort) -> None:
    """Removes the table until all its scans are prepared; marks the folder as synthetic if the cohort is."""
    for left in folder.rglob(".partial-*"):  # left by a killed process
        left.unlink()
    (folder / TABLE).unlink(missing_ok=True)
    (folder / PHANTOM_MARK).unlink(missing_ok=True)
    if cohort.synthetic:
        source = Path(cohort.source)  # a folder, if it is BIDS or CAPS
        shutil.copyfile((source if source.is_dir() else source.parent) / PHANTOM_MARK, folder / PHANTOM_MARK)


def _finish(folder: Path, cohort: Cohort, projection: Projection, outcomes: list[PreparedScan | InputError]) -> None:
    records = {scan: found for scan, found in zip(cohort.scans, outcomes) if not isinstance(found, InputError)}
    refused = [*map(str, cohort.refused), *(str(found) for found in outcomes if isinstance(found, InputError))]
    scans = {"scans": [record.about for record in records.values()], "refused": refused}
    write_text(folder / REPORT, json.dumps(_about(cohort, projection) | scans, indent=2) + "\n")
    write_text(folder / TABLE, _table(records))
    new = sum(record.new for record in records.values())
    print(f"{new} scans prepared, {len(records) - new} already there, {len(refused)} refused: {folder / TABLE}")
    for scan, record in records.items():
        if record.about["warnings"]:
            print(f"warning: {scan.path}: {'; '.join(record.about['warnings'])}")
    if records:
        similarity, picture = min((record.about["similarity"], record.picture) for record in records.values())
        print(f"look at the pictures; {folder / picture} is least like the template (correlation {similarity:.2f})")
    if refused:
        count = len(outcomes) + len(cohort.refused)
        raise InputError(f"{len(refused)} of {count} scans are refused:\n{listed(refused)}")


def _about(cohort: Cohort, projection: Projection) -> dict[str, Any]:
    return {
        "cohort": cohort.source,
        "synthetic": cohort.synthetic,
        "versions": {"dynjax": __version__} | {name: version(name) for name in ("SimpleITK", "nilearn")},
        "parameters": {**projection.grid._asdict(), "nan": projection.nan, "recipe": projection.recipe},
    }


def _table(records: dict[Scan, PreparedScan]) -> str:
    """Formats the cohort's own table with the paths of the prepared volumes."""
    known = (*REQUIRED, *OPTIONAL)
    others = list(dict.fromkeys(name for scan in records for name, _ in scan.others if name not in known))
    rows = []
    for scan, record in records.items():
        acquired = scan.acquired.isoformat() if scan.acquired else ""
        row = [scan.subject, scan.session, scan.label, record.volume, scan.age, scan.sex, scan.site, acquired]
        rows.append(row + [dict(scan.others).get(name, "") for name in others])
    return to_csv([*known, *others], rows)
