"""`check`: gives a verdict on every scan before anything expensive starts."""

import collections
import json
from pathlib import Path

from ml_collections import FrozenConfigDict

from dynjax.errors import InputError
from dynjax.files import check_output, write_text
from dynjax.report.terminal import place, print_block, print_text
from dynjax.run import settings
from dynjax.run.checking import Inspections, inspect_anew
from dynjax.run.data import find_cohort
from dynjax.volumes.inspection import Inspection

VERDICTS = ("ok", "warning", "refused")


def check(config: FrozenConfigDict, out: Path | None) -> None:
    """Inspects every scan of the config's cohort anew, prints what is wrong and writes `out`, a JSON list.

    Raises: UsageError if `out` cannot be written, InputError if a scan is refused.
    """
    config = settings.resolve(config)
    check_output(out, ".json", "")
    cohort = find_cohort(config)
    print_text(cohort.describe())
    found = inspect_anew(cohort, settings.projection_of(config))
    if out is not None:  # before anything is printed, which a terminal may not take
        write_text(out.absolute(), json.dumps([_answer(*item) for item in found.items()], indent=2) + "\n")
    _print_doubts(found)
    if out is not None:
        print_text(f"written: {out}")
    refused = sum(inspection.verdict == "refused" for inspection in found.values())
    if refused:
        raise InputError(f"{refused} of {len(found)} scans are refused")


def _answer(path: Path, found: Inspection) -> dict[str, str]:
    return {"path": str(path), "verdict": found.verdict, "reason": found.reason, "remedy": found.remedy}


def _print_doubts(found: Inspections) -> None:
    """Prints each scan that is not ok, the worst first, and counts the verdicts."""
    worst = sorted(found.items(), key=lambda item: -VERDICTS.index(item[1].verdict))
    for path, inspection in worst:
        if inspection.verdict != "ok":
            where = place(path, len(inspection.verdict) + 2)
            print_block(f"{inspection.verdict}  {where}", f"{inspection.reason}; {inspection.remedy}")
    counts = collections.Counter(inspection.verdict for inspection in found.values())
    print_text(", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS))
