"""`prepare`: turns raw T1 scans into volumes on the grid of a config or a run, and writes the table that lists them."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ml_collections import FrozenConfigDict

from dynjax import __version__
from dynjax.cohort.named import NamedScans, named_scans
from dynjax.cohort.scan import Scan
from dynjax.cohort.table import OPTIONAL, PHANTOM_MARK, REQUIRED
from dynjax.csv_table import to_csv
from dynjax.errors import InputError, UsageError, listed
from dynjax.files import can_be_written, expanded, lock, write_text
from dynjax.report.terminal import place, print_text
from dynjax.report.wording import counted
from dynjax.run import settings
from dynjax.run.data import find_cohort
from dynjax.run.workdir import Workdir
from dynjax.volumes.reading import Reading
from dynjax.work.parallel import parallel_map

if TYPE_CHECKING:
    from dynjax.preprocess.prepared import PreparedScan  # needs SimpleITK

TABLE, REPORT, LOCK = "scans.csv", "prepare.json", ".prepare.lock"


class Task(NamedTuple):
    """Holds what one call prepares, and for what.

    has_labels: whether a table names the scans; else their files do. refused: scans that cannot be used, in words.
    about: of where the scans come from, for prepare.json. mark: the file that says that they are synthetic, or None.
    """

    scans: tuple[Scan, ...]
    has_labels: bool
    reading: Reading
    refused: list[str]
    about: dict[str, Any]
    mark: Path | None = None


def prepare(
    config: FrozenConfigDict | None,
    out: Path | None,
    workdir: Workdir | None = None,
    scans: Sequence[str] = (),
    table: str = "",
    chosen: Mapping[str, Any] | None = None,
) -> None:
    """Prepares every scan that is not yet in `out`, and writes their table.

    With a config these are the scans of its cohort; with a workdir, scans without labels, on the grid of its run, for
    `predict` and `explain`.

    Args: scans, files or folders; table, a CSV that lists further ones in its column `path`; chosen, the values of
    --config and --config.KEY, from which the next command is made.
    Raises: UsageError if SimpleITK is missing or `out` cannot be used; InputError, once all good scans are prepared, if
    any was refused.
    """
    _check_what(config, workdir, scans or table)
    config = settings.resolve(config) if config is not None else None
    folder = _checked(out)
    if within := [each for each in scans if Path(each).absolute() in folder.parents]:
        raise UsageError(f"--out={folder}: lies in {within[0]}, whose scans are to be prepared; name another folder")
    _check_installed()
    if workdir is not None:
        task = _of_scans(workdir, named_scans(scans, table), folder)
        run, prepared = (shlex.quote(str(path)) for path in (workdir, folder / TABLE))
        following = f"dynjax predict \\\n    --workdir={run} \\\n    --table={prepared}"
    elif config is not None:
        task = _of_cohort(config, folder)
        following = _train(chosen or {}, folder / TABLE)
    try:
        with lock(folder / LOCK, wait=False):
            _begin(folder, task.mark)
            _finish(folder, task, _prepare_all(folder, task), following)
    except BlockingIOError as holder:
        raise UsageError(f"--out={folder}: is being written by {holder}; choose another folder") from None


def _train(chosen: Mapping[str, Any], table: Path) -> str:
    """Returns the command that trains the chosen config on a table, without what it says of another table."""
    old = [f"config.{key}" for key in settings.OF_ONE_TABLE]
    values = {name: value for name, value in chosen.items() if name not in old} | {"config.cohort.table": table}
    spelt = {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else str(value) for name, value in values.items()
    }
    return " \\\n    ".join(["dynjax train", *(shlex.quote(f"--{name}={value}") for name, value in spelt.items())])


def _check_what(config: FrozenConfigDict | None, workdir: Workdir | None, named: Sequence[str]) -> None:
    if (config is None) == (workdir is None):
        raise UsageError("prepare needs either --config=NAME, or --workdir=RUN and the scans to prepare")
    if config is not None and named:
        raise UsageError("prepare --config=...: takes the scans of cohort.table; name others with --workdir=RUN")
    if workdir is not None and not named:
        raise UsageError("prepare --workdir=...: needs scans: SCAN.nii.gz ..., a folder of them, or --table=scans.csv")


def _of_cohort(config: FrozenConfigDict, folder: Path) -> Task:
    cohort = find_cohort(config)
    source = Path(cohort.source)  # a folder, if it is BIDS or CAPS
    if source.absolute() == folder / TABLE:
        raise UsageError(f"--out={folder}: that folder lists the raw scans; name another folder")
    print_text(cohort.describe())
    mark = (source if source.is_dir() else source.parent) / PHANTOM_MARK if cohort.synthetic else None
    about = {"cohort": cohort.source, "synthetic": cohort.synthetic}
    refused = list(map(str, cohort.refused))
    return Task(cohort.scans, True, settings.projection_of(config).reading, refused, about, mark)


def _of_scans(workdir: Workdir, named: NamedScans, folder: Path) -> Task:
    paths = named.paths
    if inside := [path for path in paths if folder in Path(path).absolute().parents]:
        raise UsageError(f"--out={folder}: holds {inside[0]}, a scan to prepare; name another folder")
    reading = settings.projection_of(workdir.networks_from().read_config()).reading
    size = f"{' x '.join(map(str, reading.grid.shape))} voxels of {reading.grid.spacing:g} mm"
    if named.aside:
        print_text(named.aside)
    print_text(f"{counted(len(paths), 'scan')} to prepare on the grid of {workdir}, {size}")
    scans = tuple(Scan("", "", "", Path(path)) for path in paths)
    return Task(scans, False, reading, [], {"workdir": str(workdir)})


def _prepare_all(folder: Path, task: Task) -> list[PreparedScan | InputError]:
    from dynjax.preprocess.prepared import file_names, names_of_files, prepare_scan

    reading = task.reading  # all that travels besides the item

    def attempt(item: tuple[Scan, str]) -> PreparedScan | InputError:
        try:
            return prepare_scan(*item, folder, reading)
        except InputError as error:
            return error

    names = file_names(task.scans) if task.has_labels else names_of_files([scan.path for scan in task.scans])
    items = list(zip(task.scans, names))
    return parallel_map(attempt, items, f"preparing {counted(len(items), 'scan')}", travels=True)


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


def _begin(folder: Path, mark: Path | None) -> None:
    """Removes the table until all its scans are prepared; marks the folder as synthetic if the cohort is."""
    for left in folder.rglob(".partial-*"):  # left by a killed process
        left.unlink()
    (folder / TABLE).unlink(missing_ok=True)
    (folder / PHANTOM_MARK).unlink(missing_ok=True)
    if mark is not None:
        shutil.copyfile(mark, folder / PHANTOM_MARK)


def _finish(folder: Path, task: Task, outcomes: list[PreparedScan | InputError], following: str) -> None:
    """Writes the report and the table, and says what was done and which command is the next."""
    records = {scan: found for scan, found in zip(task.scans, outcomes) if not isinstance(found, InputError)}
    refused = [*task.refused, *(str(found) for found in outcomes if isinstance(found, InputError))]
    scans = {"scans": [record.about for record in records.values()], "refused": refused}
    write_text(folder / REPORT, json.dumps(_about(task) | scans, indent=2) + "\n")
    write_text(folder / TABLE, _table(task, records))
    new = sum(record.new for record in records.values())
    print_text(f"{new} scans prepared, {len(records) - new} already there, {len(refused)} refused: {folder / TABLE}")
    for scan, record in records.items():
        if record.about["warnings"]:
            print_text(f"warning: {place(scan.path, len('warning: '))}: {'; '.join(record.about['warnings'])}")
    if records:
        similarity, picture = min((record.about["similarity"], record.picture) for record in records.values())
        least = f"{folder / picture} is least like the template (correlation {similarity:.2f})"
        print_text(f"look at the pictures; {least}")
        print(f"next: {following}", flush=True)  # never folded, for it is copied
    if refused:
        count = len(outcomes) + len(task.refused)
        raise InputError(f"{len(refused)} of {count} scans are refused:\n{listed(refused)}")


def _about(task: Task) -> dict[str, Any]:
    grid, nan, recipe = task.reading
    return {
        **task.about,
        "versions": {"dynjax": __version__} | {name: version(name) for name in ("SimpleITK", "nilearn")},
        "parameters": {**grid._asdict(), "nan": nan, "recipe": recipe},
    }


def _table(task: Task, records: dict[Scan, PreparedScan]) -> str:
    """Formats the cohort's own table with the paths of the prepared volumes; of scans without labels, these alone."""
    if not task.has_labels:
        return to_csv(["path", "source"], [[record.volume, str(scan.path)] for scan, record in records.items()])
    known = (*REQUIRED, *OPTIONAL)
    others = list(dict.fromkeys(name for scan in records for name, _ in scan.others if name not in known))
    rows = []
    for scan, record in records.items():
        acquired = scan.acquired.isoformat() if scan.acquired else ""
        row = [scan.subject, scan.session, scan.label, record.volume, scan.age, scan.sex, scan.site, acquired]
        rows.append(row + [dict(scan.others).get(name, "") for name in others])
    return to_csv([*known, *others], rows)
