"""Says in plain words, for a reader who is no engineer, what a comparison of runs asked and what it found."""

from collections.abc import Iterator, Sequence

from dynjax.evaluation.paired import Test
from dynjax.evaluation.resampling import LEVEL
from dynjax.percent import in_100, percent
from dynjax.report.comparison import Row, p_text
from dynjax.report.glossary import meaning
from dynjax.report.wording import counted

SURE = 1 - LEVEL  # a p value below which chance is no good explanation
AHEAD, BEHIND, UNSURE = "ahead", "behind", "unsure"


def comparison_in_short(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Returns the points at the head of a comparison: (what it is about, sentences)."""
    synthetic = any(row.results["cohort"]["synthetic"] for row in rows)
    points = {
        "Asked": [_question(rows)],
        "Answer": [_answer(rows), *_ranked(rows), *differences(rows, "run 1")],
        "Whom it fits": ["Simulated people only." if synthetic else "People like those tested in each run."],
        "Whom it does not fit": list(_fits_not(rows, synthetic)),
    }
    return list(points.items())


def _question(rows: Sequence[Row]) -> str:
    classes = {(row.negative, row.results["positive_class"]) for row in rows}
    if len(classes) > 1:
        return f"How well do {counted(len(rows), 'run')} tell their classes apart? Not all have the same classes."
    ((negative, positive),) = classes
    other = f"{positive} and {negative}" if negative else f"{positive} and others"
    meanings = " ".join(meaning(label) for label in (positive, negative) if label)
    return f"How well do {counted(len(rows), 'run')} tell {other} apart? {meanings}"


def _answer(rows: Sequence[Row]) -> str:
    """Says which runs the first is surely ahead of or behind, and of which that cannot be told."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if row.pairing:
            found.setdefault(_standing(row.pairing.roc_auc), []).append(number)
    if not found:
        return "Which run is best cannot be told: they were not tested on the same people in the same folds."
    words = {
        AHEAD: "Run 1 is ahead of {} by more than chance explains.",
        BEHIND: "Run 1 is behind {} by more than chance explains.",
        UNSURE: "Between run 1 and {} any difference may be chance.",
    }
    return " ".join(text.format(_runs(found[key])) for key, text in words.items() if key in found)


def _standing(test: Test) -> str:
    """Tells how the first run stands to the one that was tested against it."""
    if test.p_holm is None or test.p_holm >= SURE:
        return UNSURE
    return AHEAD if test.difference < 0 else BEHIND


def _runs(numbers: Sequence[int]) -> str:
    return f"run{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _ranked(rows: Sequence[Row]) -> Iterator[str]:
    """Says how often each run ranks a positive and a negative person rightly."""
    yield (
        "Of a person of the positive class and one of the other, how often in 100 the positive one gets the higher "
        "probability; guessing gives 50:"
    )
    for number, row in enumerate(rows, start=1):
        yield f"Run {number}, {row.name}: {_times(row.results['metrics']['roc_auc'])}."


def _times(area: dict) -> str:
    if area["value"] is None:
        return "unknown, for all people tested are of one class"
    ends = area["ci95"]
    between = f" ({percent(LEVEL)} interval {in_100(ends[0])} to {in_100(ends[1])})" if ends else ""
    return f"{in_100(area['value'])}{between}"


def differences(rows: Sequence[Row], first: str) -> Iterator[str]:
    """Says of each run that has the same people as the first, called `first`, whether it differs from that surely."""
    for row in rows[1:]:
        if row.pairing:
            yield _difference(row.name, row.pairing.roc_auc, first)
    if unpaired := [row.name for row in rows[1:] if not row.pairing]:
        yield f"Not tested on the same people, or in other groups of them, as {first}: {'; '.join(unpaired)}."


def _difference(name: str, test: Test, first: str) -> str:
    ends = test.ci95
    between = f" ({percent(LEVEL)} interval: {_signed(ends[0])} to {_signed(ends[1])})" if ends else ""
    pairs = "Of 100 pairs of a positive and a negative person"
    text = f"{pairs}, {name} ranks {_signed(test.difference)} rightly than {first} does{between}."
    if test.p_holm is None:
        return text
    sure = "Chance alone would seldom make such a difference" if test.p_holm < SURE else "That may be chance"
    return f"{text} {sure} (p {p_text(test.p_holm)}, corrected for the number of tests)."


def _signed(difference: float) -> str:
    return f"{in_100(abs(difference))} {'fewer' if difference < 0 else 'more'}"


def _fits_not(rows: Sequence[Row], synthetic: bool) -> Iterator[str]:
    if synthetic:
        yield "Any real person: the people tested do not exist."
    yield "People with another diagnosis: each run knows its two classes alone."
    if len(rows) > 2:
        yield "The best of several runs is in part the luckiest: expect it to do less well on other people."
