"""Inspects the scans of a cohort, and leaves out those that cannot be used."""

import collections
import functools
from collections.abc import Sequence
from pathlib import Path

from ml_collections import FrozenConfigDict

from dynjax.cohort.scan import Cohort
from dynjax.errors import InputError, listed
from dynjax.projection.store import Projection
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.known_good import KnownGood
from dynjax.run.refused import RefusedScans, check_same, without
from dynjax.run.workdir import Workdir
from dynjax.volumes.inspection import Inspection, inspect_scan
from dynjax.volumes.nifti import load_volume
from dynjax.volumes.outliers import unlike_the_cohort
from dynjax.volumes.reading import Reading
from dynjax.volumes.template import unlike_the_template, with_skull
from dynjax.work.parallel import parallel_map

Inspections = dict[Path, Inspection]


def inspect_anew(cohort: Cohort, projection: Projection) -> Inspections:
    """Inspects every scan, whether it is known already or not, and compares each with the others.

    A row of the scan table that cannot be used has the table and the line for its path.
    """
    found = _inspect([scan.path for scan in cohort.scans], projection)
    KnownGood(cohort.source, projection).remember(found)
    return _compared(found) | {Path(row.where): Inspection((row.finding,), None) for row in cohort.refused}


def check_first(
    config: FrozenConfigDict, workdir: Workdir | None, cohort: Cohort, allow_refused: bool
) -> tuple[Cohort, RefusedScans]:
    """Returns the scans that can be used, and why others cannot; inspects those not yet known to be good.

    Raises: InputError that lists every refused scan, unless they are allowed; or if the folds in the workdir were made
    when other scans were refused.
    """
    found = inspect_unknown(cohort, settings.projection_of(config))
    lost = {scan: found[scan.path] for scan in cohort.scans if scan.path in found and not found[scan.path].facts}
    refused = {row.ids: row.finding.kind for row in cohort.refused}
    refused |= {(scan.subject, scan.session): inspection.findings[0].kind for scan, inspection in lost.items()}
    problems = [str(row) for row in cohort.refused]
    problems += [f"{scan.path}: refused: {inspection.reason}; {inspection.remedy}" for scan, inspection in lost.items()]
    of_all = f"{len(problems)} of {len(cohort.scans) + len(cohort.refused)} scans"
    if problems and not allow_refused:
        advice = "put them right, or go on without them by --allow-refused"
        raise InputError(f"{of_all} cannot be used; {advice}:\n{listed(problems)}")
    if workdir is not None:
        check_same(workdir, refused)
    if problems:
        print_text(f"going on without {of_all}:\n{listed(problems)}")
    return without(cohort, refused), refused


def inspect_unknown(cohort: Cohort, projection: Projection) -> Inspections:
    """Inspects the scans that are not known yet, and returns what is known of all."""
    paths, known_good = [scan.path for scan in cohort.scans], KnownGood(cohort.source, projection)
    known = known_good.recall(paths)
    new = [path for path in paths if path not in known]
    if not new:
        return known
    found = known | _inspect(new, projection)
    known_good.remember(found)
    found = _compared(found)
    kinds = collections.Counter(finding.kind for path in new if found[path].facts for finding in found[path].findings)
    for kind, count in kinds.items():
        print_text(f"warning: {kind}: {count} scans; `dynjax check` lists them")
    return found


def _inspect(paths: Sequence[Path], projection: Projection) -> Inspections:
    inspect = functools.partial(inspect_and_place, projection.reading)
    return dict(zip(paths, parallel_map(inspect, paths, "checking scans", travels=True)))


def inspect_and_place(reading: Reading, path: Path) -> Inspection:
    """Inspects a scan and, if it can be used, compares it on the grid with the template."""
    found = inspect_scan(path, *reading)
    if found.facts is None:
        return found
    volume = load_volume(path, *reading).data
    more = (*unlike_the_template(volume, reading.grid), *with_skull(volume, reading.grid))
    return found._replace(findings=(*found.findings, *more))


def _compared(found: Inspections) -> Inspections:
    """Adds a warning for each scan that is unlike its cohort, of a kind that it has not yet."""
    facts = {path: inspection.facts for path, inspection in found.items() if inspection.facts}
    compared = dict(found)
    for path, findings in zip(facts, unlike_the_cohort(list(facts.values()))):
        own = found[path].findings
        new = [finding for finding in findings if finding.kind not in {each.kind for each in own}]
        compared[path] = found[path]._replace(findings=(*own, *new))
    return compared
