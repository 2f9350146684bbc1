"""`check`: gives a verdict on every scan before anything expensive starts."""

import collections
import json
from pathlib import Path

from ml_collections import FrozenConfigDict
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dynjax.errors import InputError
from dynjax.files import check_output, write_text
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
    print(cohort.describe(), flush=True)
    found = inspect_anew(cohort, settings.projection_of(config))
    if out is not None:  # before anything is printed, which a terminal may not take
        write_text(out.absolute(), json.dumps([_answer(*item) for item in found.items()], indent=2) + "\n")
    _print_table(found)
    if out is not None:
        print(f"written: {out}")
    refused = sum(inspection.verdict == "refused" for inspection in found.values())
    if refused:
        raise InputError(f"{refused} of {len(found)} scans are refused")


def _answer(path: Path, found: Inspection) -> dict[str, str]:
    return {"path": str(path), "verdict": found.verdict, "reason": found.reason, "remedy": found.remedy}


def _print_table(found: Inspections) -> None:
    """Prints each scan that is not ok, and counts the verdicts; off a terminal, lines are never wrapped."""
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
