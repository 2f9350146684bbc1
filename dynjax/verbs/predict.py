"""`predict`: gives new scans the mean probability of the folds' networks, and the spread between them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.csv_table import write_csv
from dynjax.errors import InputError
from dynjax.files import check_output, names_stream, write_text
from dynjax.frozen.trunk import FrozenTrunk
from dynjax.guard.deviation import FEWEST, Judgement
from dynjax.projection.store import project_volume
from dynjax.run import settings
from dynjax.run.guarding import Guard, Sketch, read_guard, sketch_volume
from dynjax.run.inputs import network_input
from dynjax.run.runtime import configure_jax
from dynjax.run.standing import Standing, read_standing
from dynjax.run.trained import Trained, load_networks
from dynjax.run.workdir import Workdir
from dynjax.volumes.inspection import inspect_scan
from dynjax.volumes.nifti import content_digest, load_volume
from dynjax.work.parallel import parallel_map

SCHEMA = 1
ANSWER_COLUMNS = ["path", "verdict", "probability", "fold_sd", "reason"]
NOT_CHECKED = "not checked against its cohort"
REMEDY = "look at it in a viewer, prepare it as the training scans, or predict it all the same by --allow-unlike"


class ReadScan(NamedTuple):
    """A scan as the networks and the guard see it.

    input: what the networks take of it. digest: sha256 of the file's content. warnings: what is
    doubtful about the file.
    """

    input: np.ndarray
    sketch: Sketch
    digest: str
    warnings: tuple[str, ...]


class Verdict(NamedTuple):
    """A line of the output; `probability` is that of the positive class, None if the scan was refused.

    judgement: how the scan lies to the training scans, None if that is not known.
    """

    path: str
    verdict: str = "refused"
    probability: float | None = None
    fold_sd: float | None = None
    reason: str = ""
    digest: str = ""
    judgement: Judgement | None = None


def predict(workdir: Workdir, scans: Sequence[str], out: Path | None, allow_unlike: bool = False) -> None:
    """Predicts scans, read and projected as the checkpoints' config says; prints the answers and writes `out`.

    A scan that is far from all training scans gets no answer, unless `allow_unlike`. Beside `out`, a .json says what
    the run is and how each scan lies to its training scans.
    Raises: UsageError if `out` cannot be written, InputError if there is no trained network and, once all good scans
    are predicted, if any was refused.
    """
    check_output(out, ".csv", "")
    configure_jax()
    networks = load_networks(workdir)
    config, guard = networks[0].config, read_guard(workdir.repeats()[0])
    standing = read_standing(workdir, len(networks), config.cohort.labels)
    items = parallel_map(lambda path: _read(path, config, networks[0].trunk), scans, "reading and projecting scans")
    verdicts = _answer(scans, items, networks, guard, standing, allow_unlike)
    if out is not None:  # before anything is printed, which a terminal may not take
        _write(out, verdicts, standing, guard)
    _print(verdicts, standing, guard)
    if out is not None:
        print(f"written: {out}")
    refused = [verdict.reason for verdict in verdicts if verdict.probability is None]
    if refused:
        raise InputError("\n".join(refused))


def _read(path: str, config: FrozenConfigDict, trunk: FrozenTrunk | None) -> ReadScan | InputError:
    projection = settings.projection_of(config)
    try:
        volume = load_volume(path, *projection.reading)
        image = project_volume(Path(path), volume, projection)
        warnings = tuple(finding.detail for finding in inspect_scan(Path(path), *projection.reading).findings)
        return ReadScan(network_input(config, trunk, image), sketch_volume(volume), content_digest(path), warnings)
    except InputError as error:
        return error


def _answer(
    scans: Sequence[str],
    items: Sequence[ReadScan | InputError],
    networks: Sequence[Trained],
    guard: Guard | None,
    standing: Standing,
    allow_unlike: bool,
) -> list[Verdict]:
    good = [item for item in items if isinstance(item, ReadScan)]
    if not good:
        return [Verdict(path, reason=str(item)) for path, item in zip(scans, items)]
    inputs = np.stack([item.input for item in good])
    answers = [network.answer(inputs) for network in networks]
    seen = guard.seen(networks, answers) if guard else {}
    verdicts, index = [], 0
    for path, item in zip(scans, items):
        if isinstance(item, InputError):
            verdicts.append(Verdict(path, reason=str(item)))
            continue
        own = {fold: of_scans[index] for fold, of_scans in seen.items()}
        found, unlike = guard.judge(item.sketch, own) if guard else (None, "")
        probabilities = np.array([answer.probabilities[index] for answer in answers], np.float64)
        chance = standing.at_chance if guard else ""  # a run of an earlier version answers as it did
        notes = [*_seen_by(item.digest, networks), *item.warnings, *filter(None, (unlike, chance))]
        verdicts.append(_verdict(path, item, probabilities, found, notes, allow_unlike))
        index += 1
    return verdicts


def _verdict(
    path: str,
    item: ReadScan,
    probabilities: np.ndarray,
    found: Judgement | None,
    notes: Sequence[str],
    allow_unlike: bool,
) -> Verdict:
    judged = found.verdict if found else "unknown"
    if judged == "refused" and not allow_unlike:
        reason = f"{path}: refused: {'; '.join(notes)}; {REMEDY}"
        return Verdict(path, reason=reason, digest=item.digest, judgement=found)
    verdict = "warning" if item.warnings or judged in ("warning", "refused") else "ok"
    spread = float(probabilities.std(ddof=1)) if len(probabilities) > 1 else None
    return Verdict(path, verdict, float(probabilities.mean()), spread, "; ".join(notes), item.digest, found)


def _seen_by(digest: str, networks: Sequence[Trained]) -> list[str]:
    count = sum(digest in network.about["scans"]["train"] for network in networks)
    return [f"{count} of {len(networks)} networks were trained on this scan: optimistic"] if count else []


def _checked(guard: Guard | None) -> str:
    if guard is None:
        return f"{NOT_CHECKED}: the run keeps nothing of it; evaluate makes that"
    if guard.reference.scans < FEWEST:
        return f"{NOT_CHECKED}: {guard.reference.scans} scans are too few to judge others by"
    return f"checked against {guard.reference.scans} scans of its cohort"


def _print(verdicts: Sequence[Verdict], standing: Standing, guard: Guard | None) -> None:
    for line in standing.lines():
        print(line)
    networks, positive = standing.networks, standing.labels[1]
    print(f"probability of {positive}, mean and standard deviation over {networks} networks; for research only")
    print(_checked(guard))
    for verdict in verdicts:
        if verdict.probability is not None:
            spread = "" if verdict.fold_sd is None else f" ± {verdict.fold_sd:.3f}"
            mark = "" if verdict.verdict == "ok" else f"{verdict.verdict}: "
            note = f"  ({mark}{verdict.reason})" if verdict.reason else ""
            print(f"{verdict.probability:.3f}{spread}  {verdict.path}{note}")


def _write(out: Path, verdicts: Sequence[Verdict], standing: Standing, guard: Guard | None) -> None:
    rows = []
    for verdict in verdicts:
        numbers = ["" if n is None else f"{n:.6f}" for n in (verdict.probability, verdict.fold_sd)]
        rows.append([verdict.path, verdict.verdict, *numbers, verdict.reason])
    write_csv(out.absolute(), ANSWER_COLUMNS, rows)
    if not names_stream(out):  # which takes the table alone
        about = {"schema": SCHEMA, "about": standing.to_json() | {"guard": _checked(guard)}}
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
