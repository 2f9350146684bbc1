"""Keeps refused.csv, the list of scans that a run excludes; every later reader of the cohort excludes them too."""

import collections

from dynjax.cohort.scan import Cohort
from dynjax.csv_table import read_csv, write_csv
from dynjax.errors import InputError, listed
from dynjax.run.workdir import Workdir

REFUSED_COLUMNS = ["subject", "session", "reason"]

RefusedScans = dict[tuple[str, str], str]  # (subject, session) -> the kind of problem


def without(cohort: Cohort, refused: RefusedScans) -> Cohort:
    """Returns the cohort without the refused scans and rows, which it counts by reason."""
    scans = [(scan.subject, scan.session) for scan in cohort.scans]
    gone = [refused[ids] for ids in (*scans, *(row.ids for row in cohort.refused)) if ids in refused]
    kept = tuple(scan for scan, ids in zip(cohort.scans, scans) if ids not in refused)
    counts = {f"refused: {reason}": count for reason, count in collections.Counter(gone).items()}
    rows = tuple(row for row in cohort.refused if row.ids not in refused)
    return cohort._replace(scans=kept, excluded=cohort.excluded | counts, refused=rows)


def without_refused(workdir: Workdir, cohort: Cohort) -> Cohort:
    """Returns the cohort without the scans and rows that the run excluded.

    Raises: InputError if refused.csv is damaged, or if other rows of the scan table cannot be used now.
    """
    kept = without(cohort, read_refused(workdir))
    if kept.refused:
        advice = "rows of the scan table can no longer be used; put them right"
        raise InputError(f"{cohort.source}: {advice}:\n{listed(kept.refused)}")
    return kept


def keep_refused(workdir: Workdir, refused: RefusedScans) -> None:
    """Writes refused.csv if there are refused scans; called before folds.csv is written, and of no effect afterwards.

    A refused.csv without folds.csv was left by a kill, and is replaced or removed.
    """
    if workdir.folds.exists():
        return
    if not refused:
        return workdir.refused.unlink(missing_ok=True)
    write_csv(workdir.refused, REFUSED_COLUMNS, ((*scan, reason) for scan, reason in refused.items()))


def check_same(workdir: Workdir, refused: RefusedScans) -> None:
    """Raises InputError if the folds were written when other scans were refused."""
    if not workdir.folds.exists():
        return
    before = read_refused(workdir)
    problems = [f"refused now: subject {s}, session {t}: {refused[s, t]}" for s, t in refused.keys() - before.keys()]
    problems += [f"refused then and good now: subject {s}, session {t}" for s, t in before.keys() - refused.keys()]
    if problems:
        advice = "other scans can be used than when this run began; put them right or start anew with another --workdir"
        raise InputError(f"{workdir.folds}: {advice}:\n{listed(sorted(problems))}")


def read_refused(workdir: Workdir) -> RefusedScans:
    """Reads refused.csv; without the file, none are refused. Raises: InputError if it is damaged."""
    if not workdir.refused.exists():
        return {}
    rows = read_csv(workdir.refused, REFUSED_COLUMNS, lambda subject, session, reason: ((subject, session), reason))
    return dict(rows)
