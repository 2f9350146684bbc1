"""Reads scans that no table names and answers them, or refuses those that are unlike a run's cohort."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.errors import InputError
from dynjax.frozen.trunk import FrozenTrunk
from dynjax.guard.deviation import FEWEST, Judgement
from dynjax.projection.store import project_volume
from dynjax.report.terminal import place
from dynjax.run import settings
from dynjax.run.guarding import Guard, Sketch, sketch_volume
from dynjax.run.inputs import network_input
from dynjax.run.standing import AT_CHANCE, Standing
from dynjax.run.trained import Trained
from dynjax.volumes.digests import read_content
from dynjax.volumes.inspection import inspect_scan
from dynjax.volumes.nifti import load_volume
from dynjax.work.parallel import parallel_map

NOT_CHECKED = "not checked against its cohort"
REMEDY = "look at it in a viewer, prepare it as the training scans, or {verb} it all the same by --allow-unlike"


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


def answer_scans(
    scans: Sequence[str],
    networks: Sequence[Trained],
    guard: Guard | None,
    standing: Standing,
    allow_unlike: bool,
    verb: str = "predict",
) -> list[Verdict]:
    """Reads, projects and answers scans by a run's networks together.

    A scan that is far from all training scans is refused, unless `allow_unlike`. Args: verb, for the advice.
    """
    config, trunk = networks[0].config, networks[0].trunk
    items = parallel_map(lambda path: _read(path, config, trunk), scans, "reading and projecting scans")
    return _answer(scans, items, networks, guard, standing, allow_unlike, verb)


def _read(path: str, config: FrozenConfigDict, trunk: FrozenTrunk | None) -> ReadScan | InputError:
    projection = settings.projection_of(config)
    try:
        digest, kept = read_content(path)
        volume = load_volume(path, *projection.reading, kept=kept)
        image = project_volume(Path(path), volume, projection)
        warnings = tuple(finding.detail for finding in inspect_scan(Path(path), *projection.reading).findings)
        return ReadScan(network_input(config, trunk, image), sketch_volume(volume), digest, warnings)
    except InputError as error:
        return error


def _answer(
    scans: Sequence[str],
    items: Sequence[ReadScan | InputError],
    networks: Sequence[Trained],
    guard: Guard | None,
    standing: Standing,
    allow_unlike: bool,
    verb: str,
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
        verdicts.append(_verdict(path, item, probabilities, found, notes, "" if allow_unlike else verb))
        index += 1
    return verdicts


def _verdict(
    path: str,
    item: ReadScan,
    probabilities: np.ndarray,
    found: Judgement | None,
    notes: Sequence[str],
    verb: str,
) -> Verdict:
    """Args: verb, that of the advice with which an unlike scan is refused; '' if it is answered."""
    judged = found.verdict if found else "unknown"
    if judged == "refused" and verb:
        reason = f"{path}: refused: {'; '.join(notes)}; {REMEDY.format(verb=verb)}"
        return Verdict(path, reason=reason, digest=item.digest, judgement=found)
    verdict = "warning" if item.warnings or judged in ("warning", "refused") else "ok"
    spread = float(probabilities.std(ddof=1)) if len(probabilities) > 1 else None
    return Verdict(path, verdict, float(probabilities.mean()), spread, "; ".join(notes), item.digest, found)


def _seen_by(digest: str, networks: Sequence[Trained]) -> list[str]:
    count = sum(digest in network.about["scans"]["train"] for network in networks)
    return [f"{count} of {len(networks)} networks were trained on this scan: optimistic"] if count else []


def standing_text(standing: Standing, guard: Guard | None) -> str:
    """Says, above answers, what the run is, whether it is at chance level, and by what their scans were checked."""
    at_chance = [f"{AT_CHANCE}, so that its answers say nothing"] if guard and standing.at_chance else []
    return "\n".join([*standing.lines(), *at_chance, checked_text(guard)])


def answer_text(verdict: Verdict, standing: Standing, positive: str = "") -> str:
    """Formats an answer as a line: its probability, the scan's name and folder, and what is peculiar to this scan."""
    spread = "" if verdict.fold_sd is None else f" ± {verdict.fold_sd:.3f}"
    answer = f"{positive}{verdict.probability:.3f}{spread}"
    peculiar = verdict.reason.removesuffix(standing.at_chance).removesuffix("; ")
    mark = "" if verdict.verdict == "ok" else f"{verdict.verdict}: "
    return f"{answer}  {place(verdict.path, len(answer) + 2)}" + (f"  ({mark}{peculiar})" if peculiar else "")


def checked_text(guard: Guard | None) -> str:
    """Says against how many scans others were checked, or why against none."""
    if guard is None:
        return f"{NOT_CHECKED}: the run keeps nothing of it; evaluate makes that"
    if guard.reference.scans < FEWEST:
        return f"{NOT_CHECKED}: {guard.reference.scans} scans are too few to judge others by"
    return f"checked against {guard.reference.scans} scans of its cohort"
