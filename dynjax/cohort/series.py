"""Chooses among the scans of one session: never a part, a scout or a slab for the anatomical scan, and says how."""

import collections
import re
from collections.abc import Sequence
from pathlib import Path

from dynjax.cohort.scan import natural_key

# Entities of file names, between underscores, of what is no whole anatomical scan of the head.
PARTIAL = re.compile(
    r"part-(?:phase|real|imag)\w*|inv-\w+|chunk-\w+|bp-(?!brain|head)\w+"
    r"|(?!sub-|ses-)[a-z]+-\w*(?:scout|locali[sz]er|survey|spine|slab|defacemask|calibration|inv[12])\w*",
    re.IGNORECASE,
)
UNCOMBINED = re.compile(r"_[a-z]+-(?!\w*uni)\w*mp2rage", re.IGNORECASE)  # perhaps an image of one inversion
# Descriptions of ADNI's series that are no anatomical scan, and of those that are, but not T1-weighted.
NO_ANATOMY = re.compile(
    r"locali[sz]er|scout|survey|calibration|field.?map|\bb[01]\b(?!.*correct)|3.?plane", re.IGNORECASE
)
OTHER_CONTRAST = re.compile(r"\bt2|flair|\bpd\b|dti|fmri|resting|\basl\b|pasl|perfusion|\bswi\b|hippo", re.IGNORECASE)
SHOWN = 5  # patterns of a choice that are told; more are counted


def partial_entity(name: str) -> str:
    """Returns the entity of a BIDS file name that says that it is no whole anatomical scan, '' if there is none."""
    return next((entity for entity in name.split("_")[:-1] if PARTIAL.fullmatch(entity)), "")


def name_preference(name: str) -> tuple[bool, bool, bool]:
    """Returns a sort key of the kind of scan that a BIDS file name tells: the lowest is the best."""
    return "_space-MNI" not in name, "_desc-" in name, bool(UNCOMBINED.search(name))


def name_key(path: Path) -> tuple:
    """Returns the sort key of scans of one session: kind, then the fewest entities, then the natural order of names.

    Each entity has one hyphen; part-mag is an ordinary image.
    """
    return *name_preference(path.name), path.name.count("-") - ("_part-mag" in path.name), natural_key(path.name)


class Choices:
    """Counts, by pattern, how often one of several scans that cannot be told apart is used."""

    def __init__(self, what: str):
        self.what, self.counts = what, collections.Counter[tuple[str, str]]()

    def add(self, several: str, used: str) -> None:
        """Counts a choice: what there was, and what of it is used, in words."""
        self.counts[several, used] += 1

    def notes(self) -> list[str]:
        """Returns a line for each of the most frequent patterns, and one that counts the others."""
        common = self.counts.most_common()
        notes = [f"{self.what.format(count)} {several}: {used} is used" for (several, used), count in common[:SHOWN]]
        rest = sum(count for _, count in common[SHOWN:])
        notes += [f"{self.what.format(rest)} other such choices"] if rest else []
        advice = "; --config.cohort.description chooses otherwise"
        return [note + advice * (place == len(notes)) for place, note in enumerate(notes, 1)]


def differing_entities(names: Sequence[str]) -> list[str]:
    """Describes file names of one session by the entities that not all of them have, such as 'run-1'."""
    stems = [re.sub(r"\.nii(\.gz)?$", "", name) for name in names]
    entities = [text.split("_") for text in (stems if len(set(stems)) == len(names) else names)]
    common = set(entities[0]).intersection(*entities)
    return ["_".join(own for own in each if own not in common) or "no such entity" for each in entities]
