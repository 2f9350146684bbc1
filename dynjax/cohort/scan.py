"""A scan and a cohort, as their tables describe them before any image is opened."""

import collections
import contextlib
import datetime
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.volumes.finding import Finding

MISSING = ("", "n/a", "#n/a", "na", "nan", "nat", "<na>")  # how tables write an unknown value, in any case
TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d*)?)?")  # a time without a date
DATES = ("%Y-%m-%d", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y")  # besides ISO's; as ADNI and Excel write them
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


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


class RefusedRow(NamedTuple):
    """A row, or a scan that it names, that cannot be used; others can.

    subject, session: '(line 7)' where the row has none. where: the scan's path or, if that is not what is wrong, the
    table and the line.
    """

    subject: str
    session: str
    where: str
    finding: Finding

    @property
    def ids(self) -> tuple[str, str]:
        """The subject and the session."""
        return self.subject, self.session

    def __str__(self) -> str:
        return f"{self.where}: refused: {self.finding.detail}; {self.finding.remedy}"


class Cohort(NamedTuple):
    """The scans of a study, ordered by subject and then by time.

    labels: (negative, positive). synthetic: whether the scans are of phantoms. excluded: the number of excluded scans
    by reason. kind: the kind of source, such as 'a plain CSV'. shuffled: whether labels were shuffled between subjects.
    notes: what was decided in reading the source, without subjects' ids. refused: what would be scans, were it right.
    hints: what else may be wrong, with examples of ids, for the terminal alone.
    """

    scans: tuple[Scan, ...]
    labels: tuple[str, str]
    source: str
    synthetic: bool
    excluded: dict[str, int]
    kind: str = ""
    shuffled: bool = False
    notes: tuple[str, ...] = ()
    refused: tuple[RefusedRow, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def targets(self) -> list[int]:
        """The target of each scan: 1 for the positive label, 0 for the negative one."""
        return [int(scan.label == self.labels[1]) for scan in self.scans]

    @property
    def subjects(self) -> dict[str, str]:
        """Each subject's label, in the order of the scans."""
        return {scan.subject: scan.label for scan in self.scans}

    def describe(self) -> str:
        """Describes the cohort in a few lines, the first of which says so if its subjects are synthetic.

        They are its subjects, scans and source; then exclusions, notes, hints and refused rows.
        """
        counts = [f"{list(self.subjects.values()).count(label)} {label}" for label in self.labels]
        source = f"{self.source} ({self.kind})" if self.kind else self.source
        mark = "SYNTHETIC: " if self.synthetic else ""
        lines = [f"{mark}{len(self.subjects)} subjects ({', '.join(counts)}), {len(self.scans)} scans: {source}"]
        if self.shuffled:
            lines.append("  labels SHUFFLED between subjects")
        lines += [f"  excluded: {count} ({reason})" for reason, count in self.excluded.items() if count]
        lines += [f"  {note}" for note in (*self.notes, *self.hints)]
        kinds = collections.Counter((row.finding.kind, row.finding.remedy) for row in self.refused)
        lines += [f"  refused: {count} ({kind}; {remedy})" for (kind, remedy), count in kinds.items()]
        return "\n".join(lines)


def shuffle_labels(cohort: Cohort, seed: int) -> Cohort:
    """Shuffles the labels between subjects, as many of each as before: a function of the seed."""
    subjects = cohort.subjects
    shuffled = np.random.default_rng(seed).permutation(list(subjects.values())).tolist()
    label_of = dict(zip(subjects, shuffled))
    scans = tuple(scan._replace(label=label_of[scan.subject]) for scan in cohort.scans)
    return cohort._replace(scans=scans, shuffled=True)


def parse_date(text: str) -> datetime.datetime | None:
    """Parses an ISO date, m/d/yyyy, yyyy/m/d or dd.mm.yyyy, with a time or without; None if unknown or a time alone.

    Raises: ValueError for any other text.
    """
    text = text.strip()
    if text.lower() in MISSING or TIME.fullmatch(text):
        return None
    with contextlib.suppress(ValueError):
        return datetime.datetime.fromisoformat(text).replace(tzinfo=None)  # with and without a zone do not compare
    for form in (date + time for date in DATES for time in TIMES):
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text, form)
    raise ValueError(f"{text!r} is no date")


def is_date(text: str) -> bool:
    """Tells whether `parse_date` accepts a text; it accepts those that say that a date is unknown."""
    try:
        parse_date(text)
    except ValueError:
        return False
    return True


def natural_key(text: str) -> list:
    """Returns a sort key that puts 'm6' before 'm12'; the text itself comes last, so that '1' and '01' differ."""
    return [_number_key(part) if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)] + [(0, text)]


def _number_key(digits: str) -> tuple[int, str]:
    """Returns the length of the number and its digits, which sort as numbers do, however long they are."""
    digits = digits.lstrip("0")
    return len(digits), digits
