"""Reads labels, sexes and ids as people write them, where only one thing can be meant, and notes what it has read."""

import collections
import re
from collections.abc import Iterable

from dynjax.cohort.scan import MISSING, Scan

SYNONYMS = {"ad": ("dementia",), "cn": ("cu", "nc", "normal")}  # ADNIMERGE's; those used by studies on ADNI
SEXES = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F"}
DECIMAL_COMMA = re.compile(r"^(\d{1,3}),(\d+)$")
CODED_SEXES = {"1": "M", "2": "F"}  # ISO 5218's and ADNI's; read only in a column that has nothing else


def read_labels(scans: list[Scan], labels: tuple[str, str]) -> tuple[list[Scan], list[str]]:
    """Gives labels written in another case, and SYNONYMS, the config's spelling; returns scans and a note for each.

    A text that could be either label is left as it is.
    """
    meant = {}
    for text in sorted({scan.label for scan in scans} - set(labels)):
        own = [label for label in labels if text.lower() in (label.lower(), *SYNONYMS.get(label.lower(), ()))]
        if len(own) == 1:
            meant[text] = own[0]
    notes = [f"{text} read as {label}" for text, label in meant.items()]
    return [scan._replace(label=meant.get(scan.label, scan.label)) for scan in scans], notes


def read_sexes(scans: list[Scan]) -> tuple[list[Scan], list[str]]:
    """Spells sexes M and F; returns the scans, and a note if a text changes. Other texts stay."""
    texts = {scan.sex for scan in scans if scan.sex.lower() not in MISSING}
    known = CODED_SEXES if texts and texts <= set(CODED_SEXES) else SEXES
    meant = {text: known[text.lower()] for text in texts if text.lower() in known}
    changed = [f"{text} as {sex}" for text, sex in sorted(meant.items()) if text != sex]
    notes = [f"sexes read: {', '.join(changed)}"] if changed else []
    return [scan._replace(sex=meant.get(scan.sex, scan.sex)) for scan in scans], notes


def read_ages(scans: list[Scan]) -> tuple[list[Scan], list[str]]:
    """Reads a comma in an age, as in 70,5, as its decimal point; returns the scans, and a note if there is one."""
    changed = [scan.age for scan in scans if DECIMAL_COMMA.fullmatch(scan.age)]
    notes = [f"ages read with a decimal comma: {len(changed)}, such as {changed[0]}"] if changed else []
    read = [scan._replace(age=DECIMAL_COMMA.sub(r"\1.\2", scan.age)) for scan in scans] if changed else scans
    return read, notes


def match_ids(written: Iterable[str], known: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Finds the id of `known` that each of `written` stands for, if one.

    An id that is not known itself stands for the one that differs from it only in the prefix sub- or ses-, in leading
    zeros or in case, unless it may be several, or another id stands for the same.

    Returns: the known id by the written one, and a line for each id that may be several.
    """
    written, known = list(dict.fromkeys(written)), list(dict.fromkeys(known))
    matches = {text: text for text in written if text in set(known)}
    wanting, free = (_by_bare_id(text for text in ids if text not in matches) for ids in (written, known))
    problems = []
    for bare, texts in wanting.items():
        candidates = free.get(bare, [])
        if len(texts) == len(candidates) == 1:
            matches[texts[0]] = candidates[0]
        elif candidates:
            problems.append(f"{' and '.join(map(repr, texts))} may stand for {' or '.join(candidates)}")
    return matches, problems


def _by_bare_id(ids: Iterable[str]) -> dict[str, list[str]]:
    groups = collections.defaultdict(list)
    for text in ids:
        groups[_bare(text)].append(text)
    return groups


def _bare(text: str) -> str:
    """Returns an id in lower case, without its prefix and without leading zeros in any of its numbers."""
    return re.sub(r"\d+", lambda number: number[0].lstrip("0") or "0", re.sub("^(sub|ses)-", "", text.lower()))
