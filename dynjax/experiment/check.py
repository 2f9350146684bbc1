"""`check`: a verdict for every scan before anything expensive; `train` asks it of scans not yet known to be good."""

import collections
import functools
import json
from collections.abc import Sequence
from pathlib import Path

from ml_collections import FrozenConfigDict
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynjax.cohort.scan import Cohort
from dynjax.errors import InputError, UsageError, listed
from dynjax.experiment import settings
from dynjax.experiment.data import find_cohort
from dynjax.experiment.known_good import KnownGood
from dynjax.experiment.refused import Refused, check_same, without
from dynjax.experiment.workdir import Workdir
from dynjax.files import can_be_written, write_text
from dynjax.parallel import parallel_map
from dynjax.projection.store import Projection, is_stored
from dynjax.volumes.header import LARGEST
from dynjax.volumes.inspection import Inspection, inspect_scan
from dynjax.volumes.outliers import unlike_the_cohort

VERDICTS = ("ok", "warning", "refused")

Found = dict[Path, Inspection]


def check(config: FrozenConfigDict, out: Path | None) -> None:
    """Inspects every scan of the config's cohort anew, prints what is wrong and writes `out`, a JSON list.

    Raises: UsageError if `out` cannot be written, InputError if a scan is refused.
    """
    config = settings.resolve(config)
    if out is not None and not can_be_written(out):
        raise UsageError(f"--out={out}: cannot be written; name a .json file in a folder that can")
    cohort = find_cohort(config)
    print(cohort.describe(), flush=True)
    projection = settings.projection_of(config)
    found = _inspect([scan.path for scan in cohort.scans], projection)
    KnownGood(cohort.source, projection).remember(found)
    found = _compared(found)
    _print_table(found)
    if out is not None:
        write_text(out.absolute(), json.dumps([_answer(*item) for item in found.items()], indent=2) + "\n")
        print(f"written: {out}")
    refused = sum(inspection.verdict == "refused" for inspection in found.values())
    if refused:
        raise InputError(f"{refused} of {len(found)} scans are refused")


def check_first(
    config: FrozenConfigDict, workdir: Workdir, cohort: Cohort, allow_refused: bool
) -> tuple[Cohort, Refused]:
    """The scans that can be used, and why others cannot. Inspects those that are not yet known to be good.

    Raises: InputError that lists every refused scan, unless they are allowed; or if the folds in the workdir were made
    when other scans were refused.
    """
    found = inspect_unknown(cohort, settings.projection_of(config))
    lost = {scan: found[scan.path] for scan in cohort.scans if scan.path in found and not found[scan.path].facts}
    problems = [f"{scan.path}: refused: {inspection.reason}; {inspection.remedy}" for scan, inspection in lost.items()]
    if lost and not allow_refused:
        advice = "put them right, or go on without them by --allow-refused"
        raise InputError(f"{len(lost)} of {len(cohort.scans)} scans cannot be used; {advice}:\n{listed(problems)}")
    refused = {(scan.subject, scan.session): inspection.findings[0].kind for scan, inspection in lost.items()}
    check_same(workdir, refused)
    if lost:
        print(f"going on without {len(lost)} of {len(cohort.scans)} scans:\n{listed(problems)}", flush=True)
    return without(cohort, refused), refused


def inspect_unknown(cohort: Cohort, projection: Projection) -> Found:
    """What is known of the scans; nothing of those whose images are stored already."""
    paths, known_good = [scan.path for scan in cohort.scans], KnownGood(cohort.source, projection)
    known = known_good.recall(paths)
    new = [path for path in paths if path not in known and not _is_stored(path, projection)]
    if not new:
        return known
    found = known | _inspect(new, projection)
    known_good.remember(found)
    found = _compared(found)
    kinds = collections.Counter(finding.kind for path in new if found[path].facts for finding in found[path].findings)
    for kind, count in kinds.items():
        print(f"warning: {kind}: {count} scans; `python main.py check` lists them", flush=True)
    return found


def _is_stored(path: Path, projection: Projection) -> bool:
    return path.stat().st_size <= LARGEST and is_stored(path, projection)


def _inspect(paths: Sequence[Path], projection: Projection) -> Found:
    inspect = functools.partial(inspect_scan, grid=projection.grid, nan=projection.nan)
    return dict(zip(paths, parallel_map(inspect, paths, "checking scans", travels=True)))


def _compared(found: Found) -> Found:
    """With a warning more for each scan that is unlike the others."""
    facts = {path: inspection.facts for path, inspection in found.items() if inspection.facts}
    more = dict(zip(facts, unlike_the_cohort(list(facts.values()))))
    return {path: item._replace(findings=(*item.findings, *more.get(path, ()))) for path, item in found.items()}


def _answer(path: Path, found: Inspection) -> dict[str, str]:
    return {"path": str(path), "verdict": found.verdict, "reason": found.reason, "remedy": found.remedy}


def _print_table(found: Found) -> None:
    """The scans that are not ok one by one, as wide as they need off a terminal; how many there are of each verdict."""
    table = Table("verdict", "scan", "reason", "remedy", box=box.SIMPLE_HEAD, pad_edge=False)
    worst = sorted(found.items(), key=lambda item: -VERDICTS.index(item[1].verdict))
    for path, inspection in worst:
        if inspection.verdict != "ok":
            table.add_row(*map(Text, (inspection.verdict, str(path), inspection.reason, inspection.remedy)))
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, Console(width=10**6).measure(table).maximum))
    if table.row_count:
        console.print(table)
    counts = collections.Counter(inspection.verdict for inspection in found.values())
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS))
