"""Orders a subject's scans in time, chooses its first one, and says what decided."""

import collections
import datetime
import re
from collections.abc import Iterable
from typing import NamedTuple

from dynjax.cohort.scan import MISSING, Scan, natural_key

DATES = (  # columns of dates, in lower case, in order of preference
    *("acquired", "acq_time", "acq_date", "examination_date", "examdate", "exam_date", "scan_date", "scandate"),
    *("mri_date", "image_date", "study_date", "visit_date", "date"),
)
VISIT_COLUMNS = ("Visit", "visit", "VISCODE", "viscode", "VISCODE2", "viscode2")  # where the session is no visit's name
MONTHS = {"d": 12 / 365.25, "day": 12 / 365.25, "w": 12 * 7 / 365.25, "week": 12 * 7 / 365.25}
MONTHS |= {"m": 1.0, "mo": 1.0, "month": 1.0, "y": 12.0, "yr": 12.0, "year": 12.0}
WORDS = {"pre": -2.0, "sc": -1.0, "screen": -1.0, "screening": -1.0, "scmri": -0.5, "bl": 0.0, "base": 0.0}
WORDS |= {"baseline": 0.0, "test": 0.0, "retest": 1.0, "rescan": 1.0, "post": 1e6, "fu": 1e6, "followup": 1e6}
UNIT = "|".join(sorted(MONTHS, key=len, reverse=True))
BEFORE, AFTER = re.compile(rf"({UNIT})s?(\d{{1,6}})"), re.compile(rf"(\d{{1,6}})({UNIT})s?")  # month 6, 6 months
LATER = re.compile(r"(post|fu|followup)(\d{1,6})")
DAY = re.compile(r"(\d{4})-?([01]\d)-?([0-3]\d)")  # a session that is called by its date
NUMBER = re.compile(r"(?:v|visit|t|tp|time|timepoint|wave|session|scan)?(\d{1,18})")


class VisitTime(NamedTuple):
    """When a visit was, as its name says: a number of months, of visits, or a date as a number.

    unit: what the number counts; '' for names, such as baseline, that fit beside any.
    """

    unit: str
    number: float


def visit_time(name: str) -> VisitTime | None:
    """Reads the names of visits that ADNI, BIDS and Clinica use, such as sc, bl, m06, ses-M006, pre, post and 2."""
    text = name.lower().removeprefix("ses-")
    if found := DAY.fullmatch(text):
        return VisitTime("date", int("".join(found.groups())))
    text = re.sub(r"(?<!\d)[\s_-]|[\s_-](?!\d)", "", text)  # 'month 6' is month6, but '1-10' is not 110
    if text in WORDS:
        return VisitTime("", WORDS[text])
    if found := BEFORE.fullmatch(text):
        return VisitTime("months", MONTHS[found[1]] * int(found[2]))
    if found := AFTER.fullmatch(text):
        return VisitTime("months", MONTHS[found[2]] * int(found[1]))
    if found := LATER.fullmatch(text):
        return VisitTime("", WORDS[found[1]] + int(found[2]))
    if found := NUMBER.fullmatch(text):
        return VisitTime("visits", int(found[1]))
    return None


def in_time(group: list[Scan]) -> tuple[list[Scan], str]:
    """Returns a subject's scans from the first to the last, and what decided which is the first.

    Dates decide if all scans have one, else the names of visits if all are known and of one kind, else their order.
    """
    dates = [scan.acquired for scan in group if scan.acquired]
    if len(set(dates)) == len(group):
        return sorted(group, key=_date), "date"
    times = _visit_times(group) or [0.0] * len(group)
    pairs = sorted(zip(times, group), key=lambda pair: (pair[0], natural_key(pair[1].session)))
    ordered, how = [scan for _, scan in pairs], "the name of the visit" if any(times) else "the order of names"
    if len(dates) == len(group):  # some are the same
        ordered.sort(key=_date)
        return ordered, "date" if ordered[0].acquired != ordered[1].acquired else how
    return ordered, how


def _date(scan: Scan) -> datetime.datetime:
    return scan.acquired or datetime.datetime.max


def _visit_times(group: list[Scan]) -> list[float] | None:
    """Returns the times of a subject's visits by their names, None unless all are known, different and comparable."""
    for texts in ([scan.session for scan in group], *([scan.column(name) for scan in group] for name in VISIT_COLUMNS)):
        times = [visit_time(text) for text in texts]
        known = [time for time in times if time is not None]
        if len(known) == len({time.number for time in known}) == len(group) and len({t.unit for t in known} - {""}) < 2:
            return [time.number for time in known]
    return None


def by_subject(scans: Iterable[Scan]) -> dict[str, list[Scan]]:
    """Groups scans by subject, in the order in which subjects come first."""
    groups: dict[str, list[Scan]] = {}
    for scan in scans:
        groups.setdefault(scan.subject, []).append(scan)
    return groups


def choose_visits(scans: list[Scan], visit: str, excluded: dict[str, int]) -> tuple[list[Scan], list[str]]:
    """Returns the scans by subject, in natural order, and by time: all of each subject's, or only the earliest.

    For the earliest, a note says what decided for how many subjects, where there was a choice.
    """
    groups = by_subject(scans)
    ordered = {subject: in_time(groups[subject]) for subject in sorted(groups, key=natural_key)}
    if visit == "all":
        return [scan for group, _ in ordered.values() for scan in group], []
    excluded["later visit of a subject"] += len(scans) - len(ordered)
    several = [(group, how) for group, how in ordered.values() if len(group) > 1]
    return [group[0] for group, _ in ordered.values()], _what_decided(several)


def _what_decided(several: list[tuple[list[Scan], str]]) -> list[str]:
    counts = collections.Counter(how for _, how in several)
    if not counts:
        return []
    parts = [f"by {how} for {_subjects(count)}" for how, count in sorted(counts.items())]
    unsure = [group for group, how in several if how == "the order of names"]
    example = f" (such as {unsure[0][0].session} before {unsure[0][1].session})" if unsure else ""
    return [f"of several scans the earliest is used, chosen {', '.join(parts)}{example}"]


def note_converters(scans: list[Scan], chosen: list[Scan], labels: tuple[str, str], visit: str) -> list[str]:
    """Notes how many of the chosen subjects have another label earlier, and how many have one later.

    Args:
      scans: all that were found, whatever their label.
      chosen: the scans to use, in order.
    """
    firsts = {scan.subject: scan for scan in reversed(chosen)}
    before, after = [], []
    for subject, group in by_subject(scan for scan in scans if scan.label.lower() not in MISSING).items():
        if subject not in firsts or len({scan.label for scan in group}) == 1:
            continue
        ordered, _ = in_time(group)
        first = ordered.index(firsts[subject])
        before.append({scan.label for scan in ordered[:first]} - {firsts[subject].label})
        after.append({scan.label for scan in ordered[first + 1 :]} - {firsts[subject].label})
    scans_used = "the earliest scan" if visit == "first" else "every scan"
    used = f"; {scans_used} labelled {' or '.join(labels)} is used"
    return _count_others("an earlier", before, used) + _count_others("a later", after, "")


def _count_others(when: str, others: list[set[str]], used: str) -> list[str]:
    found = [labels for labels in others if labels]
    names = ", ".join(sorted(set().union(*found)))
    have = "has" if len(found) == 1 else "have"
    return [f"{_subjects(len(found))} {have} another label in {when} scan ({names}){used}"] if found else []


def _subjects(count: int) -> str:
    return f"{count} subject{'s' * (count != 1)}"
