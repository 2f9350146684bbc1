"""What is known of a scan before it is opened."""

import datetime
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

MISSING = ("", "n/a", "nan")  # what tables write for a value that is not known; BIDS has n/a


class Scan(NamedTuple):
    """A line of the scan table, its texts as they stand there. others: columns that no field holds, (name, text)."""

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
        """What the table says under `name`: 'age', 'sex', 'site' or one of `others`; '' where it says nothing."""
        known = {"age": self.age, "sex": self.sex, "site": self.site}
        text = known[name] if name in known else dict(self.others).get(name, "")
        return "" if text.lower() in MISSING else text


class Cohort(NamedTuple):
    """The scans of a study, ordered by subject and then by time.

    labels: (negative, positive). excluded: how many scans of the table were left out, by reason. kind: what the source
    was taken for. shuffled: whether the labels are not the subjects' own.
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
        """1 for the positive label, 0 for the negative one, a scan each."""
        return [int(scan.label == self.labels[1]) for scan in self.scans]

    @property
    def subjects(self) -> dict[str, str]:
        """Subject -> label, in the scans' order."""
        return {scan.subject: scan.label for scan in self.scans}

    def describe(self) -> str:
        counts = [f"{list(self.subjects.values()).count(label)} {label}" for label in self.labels]
        source = f"{self.source} ({self.kind})" if self.kind else self.source
        lines = [f"{len(self.subjects)} subjects ({', '.join(counts)}), {len(self.scans)} scans: {source}"]
        lines += ["  labels SHUFFLED between subjects"] * self.shuffled
        lines += [f"  left out: {count} ({reason})" for reason, count in self.excluded.items() if count]
        return "\n".join(lines)


def shuffle_labels(cohort: Cohort, seed: int) -> Cohort:
    """The labels dealt out anew among the subjects, as many of each as before: a function of the seed."""
    subjects = cohort.subjects
    dealt = dict(zip(subjects, np.random.default_rng(seed).permutation(list(subjects.values())).tolist()))
    scans = tuple(scan._replace(label=dealt[scan.subject]) for scan in cohort.scans)
    return cohort._replace(scans=scans, shuffled=True)


def parse_date(text: str) -> datetime.datetime | None:
    """ISO (2006-01-31, with or without a time) or ADNI's m/d/yyyy; None for nothing. Raises: ValueError."""
    text = text.strip()
    if not text:
        return None
    if "/" in text:
        return datetime.datetime.strptime(text, "%m/%d/%Y")
    return datetime.datetime.fromisoformat(text).replace(tzinfo=None)


def natural_key(text: str) -> list:
    """Sorts 'm6' before 'm12', and '1' before '01' so that no two texts are equal."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)] + [(0, text)]
