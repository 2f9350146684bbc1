"""`predict`: gives new scans the mean probability of the folds' networks, and the spread between them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynjax.cohort.named import named_scans
from dynjax.csv_table import write_csv
from dynjax.errors import InputError, UsageError
from dynjax.files import check_output, names_stream, write_text
from dynjax.report.terminal import print_text
from dynjax.run.guarding import Guard, read_guard
from dynjax.run.runtime import configure_jax
from dynjax.run.standing import Standing, read_standing
from dynjax.run.trained import load_networks
from dynjax.run.verdicts import Verdict, answer_scans, answer_text, checked_text, standing_text
from dynjax.run.workdir import Workdir

SCHEMA = 1
ANSWER_COLUMNS = ["path", "verdict", "probability", "fold_sd", "reason"]


def predict(
    workdir: Workdir, scans: Sequence[str], out: Path | None, allow_unlike: bool = False, table: str = ""
) -> None:
    """Predicts scans, read and projected as the checkpoints' config says; prints the answers and writes `out`.

    A scan that is far from all training scans gets no answer, unless `allow_unlike`. Beside `out`, a .json says what
    the run is and how each scan lies to its training scans.

    Args: scans, files or folders; table, a CSV that lists further ones in its column `path`.
    Raises: UsageError if `out` cannot be written or no scan is named; InputError if a folder or the table has no scan,
    if there is no trained network and, once all good scans are predicted, if any was refused.
    """
    verdicts = answer(workdir, scans, out, allow_unlike, table)
    refused = [verdict.reason for verdict in verdicts if verdict.probability is None]
    if refused:
        raise InputError("\n".join(refused))


def answer(
    workdir: Workdir, scans: Sequence[str], out: Path | None, allow_unlike: bool = False, table: str = ""
) -> list[Verdict]:
    """Does what `predict` does, but returns the verdicts, and raises nothing for a refused scan."""
    check_output(out, ".csv", "")
    if not (scans or table):
        raise UsageError("predict needs at least one scan: SCAN.nii.gz ..., a folder of them, or --table=scans.csv")
    named = named_scans(scans, table)
    if named.aside:
        print_text(named.aside)
    configure_jax()
    networks = load_networks(workdir)
    config, guard = networks[0].config, read_guard(workdir.repeats()[0])
    standing = read_standing(workdir, len(networks), config.cohort.labels)
    verdicts = answer_scans(named.paths, networks, guard, standing, allow_unlike)
    if out is not None:  # before anything is printed, which a terminal may not take
        _write(out, verdicts, standing, guard)
    _print(verdicts, standing, guard)
    if out is not None:
        print_text(f"written: {out}")
    return verdicts


def _print(verdicts: Sequence[Verdict], standing: Standing, guard: Guard | None) -> None:
    networks, positive = standing.networks, standing.labels[1]
    print_text(standing_text(standing, guard))
    print_text(f"probability of {positive}, mean and standard deviation over {networks} networks; for research only")
    for verdict in verdicts:
        if verdict.probability is not None:
            print_text(answer_text(verdict, standing))


def _write(out: Path, verdicts: Sequence[Verdict], standing: Standing, guard: Guard | None) -> None:
    rows = []
    for verdict in verdicts:
        numbers = ["" if n is None else f"{n:.6f}" for n in (verdict.probability, verdict.fold_sd)]
        rows.append([verdict.path, verdict.verdict, *numbers, verdict.reason])
    write_csv(out.absolute(), ANSWER_COLUMNS, rows)
    if not names_stream(out):  # which takes the table alone
        about = {"schema": SCHEMA, "about": standing.to_json() | {"guard": checked_text(guard)}}
        text = json.dumps(about | {"scans": list(map(_to_json, verdicts))}, indent=2, allow_nan=False)
        write_text(out.absolute().with_suffix(".json"), text + "\n")


def _to_json(verdict: Verdict) -> dict[str, Any]:
    found = verdict.judgement
    return {
        "path": verdict.path,
        "sha256": verdict.digest or None,
        "verdict": verdict.verdict,
        "probability": verdict.probability,
        "fold_sd": verdict.fold_sd,
        "reason": verdict.reason,
        "deviation": found and found.deviation,
        "p": found and found.p,
    }
