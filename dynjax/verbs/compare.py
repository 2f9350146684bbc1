"""`compare`: prints the paper's tables for finished runs, and tests each run against the first."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dynjax.errors import InputError, UsageError, listed
from dynjax.evaluation.predictions import by_subject, read_predictions
from dynjax.files import check_output, write_text
from dynjax.report.comparison import Row, print_pairings, print_rows, to_csv, to_latex
from dynjax.report.terminal import print_text
from dynjax.run.compared import read_rows
from dynjax.run.workdir import Workdir


def compare(folders: Sequence[str], with_paper: bool, only_paired: bool, out: Path | None) -> None:
    """Prints a row a run and the paired tests against the first; writes both to `out` in the format of its suffix.

    Raises: UsageError for an unknown suffix; InputError that lists every folder without results or, with `only_paired`
    and after everything is written, every run that cannot be tested against the first.
    """
    check_output(out, *WRITERS)
    if only_paired and len(folders) < 2:
        raise UsageError("--paired needs two runs: compare --paired DIR DIR ...")
    rows = read_rows(folders, with_paper)
    if out is not None:  # before anything is printed, which a terminal may not take
        write_text(out.absolute(), WRITERS[out.suffix.lower()](rows, with_paper))
    print_rows(rows, with_paper)
    print_pairings(rows)
    if out is not None:
        print_text(f"written: {out}")
    unpaired = [f"{row.folder}: {row.unpaired}" for row in rows if row.unpaired]
    if only_paired and unpaired:
        raise InputError(f"not paired with {rows[0].folder}:\n{listed(unpaired)}")


def _to_html(rows: list[Row], with_paper: bool) -> str:
    from dynjax.report.comparison_page import comparison_page  # imports matplotlib
    from dynjax.report.page import render

    return render(comparison_page(rows, [_by_subject(row) for row in rows], with_paper))


def _by_subject(row: Row) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        return by_subject(read_predictions(Workdir(row.folder).predictions), row.results["positive_class"])[1:]
    except InputError:
        return None


WRITERS = {".csv": to_csv, ".tex": to_latex, ".html": _to_html}
