"""Reads what `explain` left in a run's folder, for the run's page."""

import json
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynjax.errors import InputError
from dynjax.report.facts import Explanation
from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.nifti import Volume, read_volume

INDEX = "explanation.json"  # written last
SCHEMA = 1
AGAIN = "run explain on this workdir again"
NEEDED = ("method", "reference", "unit", "sentence", "positive_class", "agreement", "groups", "regions", "scans")
NEEDED_OF_GROUP = ("label", "correct", "n", "map", "volume")
NEEDED_OF_SCAN = ("subject", "session", "picture", "viewer")


def read_explanation(folder: Path, wrong: Sequence[str], count: int) -> Explanation | None:
    """Reads explanation.json, the mean maps and some pictures; None if no scan was explained.

    wrong: the misclassified subjects, worst first. The pictures are those of the first `count` of them that were
    explained, each subject's first scan.
    Raises: InputError if a file is damaged, or missing though explanation.json names it.
    """
    path = folder / INDEX
    if not path.exists():
        return None
    about = _read(path)
    read = [(_read_map(folder / group["volume"]), _read_map(folder / group["map"])) for group in about["groups"]]
    if len({volume.data.shape for pair in read for volume in pair}) > 1:
        raise InputError(f"{path}: damaged: its maps have different shapes; {AGAIN}")
    maps = [(volume.data, values.data) for volume, values in read]
    affine = read[0][1].affine if read else np.eye(4)
    return Explanation(about, maps, affine, _read_pictures(folder, about["scans"], wrong, count))


def _read(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        _check(about)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{path}: damaged or of another version; {AGAIN}") from None
    return about


def _check(about: dict[str, Any]) -> None:
    """Asks for every key that the page needs. Raises: KeyError, TypeError or ValueError without it."""
    if about["schema"] != SCHEMA:
        raise ValueError("of another version")
    operator.itemgetter(*NEEDED)(about)
    for group in about["groups"]:
        operator.itemgetter(*NEEDED_OF_GROUP)(group)
    for scan in about["scans"]:
        operator.itemgetter(*NEEDED_OF_SCAN)(scan)
    if about["agreement"]:
        operator.itemgetter("mean", "networks")(about["agreement"])
    if about["regions"]:
        operator.itemgetter("atlas", "columns", "rows")(about["regions"])


def _read_map(path: Path) -> Volume:
    try:
        return read_volume(path)
    except RefusedVolume as error:
        raise InputError(f"{path}: {error}; {AGAIN}") from None


def _read_pictures(folder: Path, scans: Sequence[dict[str, Any]], wrong: Sequence[str], count: int) -> dict[str, bytes]:
    files = {scan["subject"]: folder / scan["picture"] for scan in reversed(scans)}  # of each subject's first scan
    chosen = [subject for subject in wrong if subject in files][:count]
    try:
        return {subject: files[subject].read_bytes() for subject in chosen}
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); {AGAIN}") from None
