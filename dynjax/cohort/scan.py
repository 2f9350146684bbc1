"""A scan and a cohort, as their tables describe them before any image is opened."""

import datetime
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

MISSING = ("", "n/a", "nan")  # how tables write an unknown value; BIDS writes n/a


class Scan(NamedTuple):
    """A row of the scan table, with its cells as text. others: (column, text) for columns that have no field."""

    subject: str
    session: str
    label: str
    path: Path
    age: str = ""
    sex: str = ""
    site: str = ""
    acquired: datetime.datetime | None = None
    others: tuple[tuple[str, str], ...] = ()

    def column(self, name: str) -> str:
        """Returns the text of column `name`: 'age', 'sex', 'site' or one of `others`; '' if it is unknown."""
        known = {"age": self.age, "sex": self.sex, "site": self.site}
        text = known[name] if name in known else dict(self.others).get(name, "")
        return "" if text.lower() in MISSING else text


class Cohort(NamedTuple):
    """The scans of a study, ordered by subject and then by time.

    labels: (negative, positive). synthetic: whether the scans are of phantoms. excluded: the number of excluded scans
    by reason. kind: the kind of source, such as 'a plain CSV'. shuffled: whether labels were shuffled between subjects.
    """

    scans: tuple[Scan, ...]
    labels: tuple[str, str]
    source: str
    synthetic: bool
    excluded: dict[str, int]
    kind: str = ""
    shuffled: bool = False

    @property
    def targets(self) -> list[int]:
        """The target of each scan: 1 for the positive label, 0 for the negative one."""
        return [int(scan.label == self.labels[1]) for scan in self.scans]

    @property
    def subjects(self) -> dict[str, str]:
        """Each subject's label, in the order of the scans."""
        return {scan.subject: scan.label for scan in self.scans}

    def describe(self) -> str:
        """Describes the cohort in a few lines: subjects, scans, source and exclusions."""
        counts = [f"{list(self.subjects.values()).count(label)} {label}" for label in self.labels]
        source = f"{self.source} ({self.kind})" if self.kind else self.source
        lines = [f"{len(self.subjects)} subjects ({', '.join(counts)}), {len(self.scans)} scans: {source}"]
        if self.shuffled:
            lines.append("  labels SHUFFLED between subjects")
        lines += [f"  excluded: {count} ({reason})" for reason, count in self.excluded.items() if count]
        return "\n".join(lines)


def shuffle_labels(cohort: Cohort, seed: int) -> Cohort:
    """Shuffles the labels between subjects, as many of each as before: a function of the seed."""
    subjects = cohort.subjects
    shuffled = np.random.default_rng(seed).permutation(list(subjects.values())).tolist()
    label_of = dict(zip(subjects, shuffled))
    scans = tuple(scan._replace(label=label_of[scan.subject]) for scan in cohort.scans)
    return cohort._replace(scans=scans, shuffled=True)


def parse_date(text: str) -> datetime.datetime | None:
    """Parses an ISO date (2006-01-31, with or without a time) or ADNI's m/d/yyyy; None for ''. Raises: ValueError."""
    text = text.strip()
    if not text:
        return None
    if "/" in text:
        return datetime.datetime.strptime(text, "%m/%d/%Y")
    return datetime.datetime.fromisoformat(text).replace(tzinfo=None)  # dates with and without a zone do not compare


def natural_key(text: str) -> list:
    """Returns a sort key that puts 'm6' before 'm12'; the text itself comes last, so that '1' and '01' differ."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)] + [(0, text)]
