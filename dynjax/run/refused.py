"""refused.csv: the scans that a run goes on without, written down with its folds and left out by whoever reads them."""

import collections

from dynjax.cohort.scan import Cohort
from dynjax.csv_table import read_csv, write_csv
from dynjax.errors import InputError, listed
from dynjax.run.workdir import Workdir

REFUSED_COLUMNS = ["subject", "session", "reason"]

RefusedScans = dict[tuple[str, str], str]  # (subject, session) -> what kind of problem the scan has


def without(cohort: Cohort, refused: RefusedScans) -> Cohort:
    """The other scans; those left out are counted by reason."""
    gone = [refused[scan.subject, scan.session] for scan in cohort.scans if (scan.subject, scan.session) in refused]
    kept = tuple(scan for scan in cohort.scans if (scan.subject, scan.session) not in refused)
    counts = {f"refused: {reason}": count for reason, count in collections.Counter(gone).items()}
    return cohort._replace(scans=kept, excluded=cohort.excluded | counts)


def without_refused(workdir: Workdir, cohort: Cohort) -> Cohort:
    """The cohort as it was when the run began. Raises: InputError if refused.csv is damaged."""
    return without(cohort, read_refused(workdir))


def keep_refused(workdir: Workdir, refused: RefusedScans) -> None:
    """Writes refused.csv, if there are any and before the folds without them are written.

    One that a kill left without folds says nothing.
    """
    if workdir.folds.exists():
        return
    if not refused:
        return workdir.refused.unlink(missing_ok=True)
    write_csv(workdir.refused, REFUSED_COLUMNS, ((*scan, reason) for scan, reason in refused.items()))


def check_same(workdir: Workdir, refused: RefusedScans) -> None:
    """Raises: InputError if the folds were written when other scans were refused."""
    if not workdir.folds.exists():
        return
    before = read_refused(workdir)
    problems = [f"refused now: subject {s}, session {t}: {refused[s, t]}" for s, t in refused.keys() - before.keys()]
    problems += [f"refused then and good now: subject {s}, session {t}" for s, t in before.keys() - refused.keys()]
    if problems:
        advice = "other scans can be used than when this run began; put them right or start anew with another --workdir"
        raise InputError(f"{workdir.folds}: {advice}:\n{listed(sorted(problems))}")


def read_refused(workdir: Workdir) -> RefusedScans:
    """Those of the run, none without the file. Raises: InputError if it is damaged."""
    if not workdir.refused.exists():
        return {}
    rows = read_csv(workdir.refused, REFUSED_COLUMNS, lambda subject, session, reason: ((subject, session), reason))
    return dict(rows)
