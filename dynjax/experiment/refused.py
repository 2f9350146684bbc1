"""refused.csv: the scans that a run goes on without, written down with its folds and left out by whoever reads them."""

import collections
import csv
import io

from dynjax.cohort.scan import Cohort
from dynjax.errors import InputError, listed
from dynjax.experiment.workdir import Workdir
from dynjax.files import write_text

COLUMNS = ["subject", "session", "reason"]

Refused = dict[tuple[str, str], str]  # (subject, session) -> what kind of problem the scan has


def without(cohort: Cohort, refused: Refused) -> Cohort:
    """The other scans; those left out are counted by reason."""
    gone = [refused[scan.subject, scan.session] for scan in cohort.scans if (scan.subject, scan.session) in refused]
    kept = tuple(scan for scan in cohort.scans if (scan.subject, scan.session) not in refused)
    counts = {f"refused: {reason}": count for reason, count in collections.Counter(gone).items()}
    return cohort._replace(scans=kept, excluded=cohort.excluded | counts)


def without_refused(workdir: Workdir, cohort: Cohort) -> Cohort:
    """The cohort as it was when the run began. Raises: InputError if refused.csv is damaged."""
    return without(cohort, read_refused(workdir))


def keep_refused(workdir: Workdir, refused: Refused) -> None:
    """Writes refused.csv, if there are any and before the folds without them are written.

    One that a kill left without folds says nothing.
    """
    if workdir.folds.exists():
        return
    if not refused:
        return workdir.refused.unlink(missing_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((*scan, reason) for scan, reason in refused.items())
    write_text(workdir.refused, text.getvalue())


def check_same(workdir: Workdir, refused: Refused) -> None:
    """Raises: InputError if the folds were written when other scans were refused."""
    if not workdir.folds.exists():
        return
    before = read_refused(workdir)
    problems = [f"refused now: subject {s}, session {t}: {refused[s, t]}" for s, t in refused.keys() - before.keys()]
    problems += [f"refused then and good now: subject {s}, session {t}" for s, t in before.keys() - refused.keys()]
    if problems:
        advice = "other scans can be used than when this run began; put them right or start anew with another --workdir"
        raise InputError(f"{workdir.folds}: {advice}:\n{listed(sorted(problems))}")


def read_refused(workdir: Workdir) -> Refused:
    """Those of the run, none without the file. Raises: InputError if it is damaged."""
    if not workdir.refused.exists():
        return {}
    try:
        with open(workdir.refused, newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        if header == COLUMNS:
            return {(subject, session): reason for subject, session, reason in rows}
    except (ValueError, csv.Error):
        pass
    raise InputError(f"{workdir.refused}: damaged: not a table of {','.join(COLUMNS)}, a line a scan")
