"""Says in plain words, for a reader who is no engineer, what a comparison of runs asked and what it found."""

from collections.abc import Iterator, Sequence

from dynjax.evaluation.paired import Test
from dynjax.evaluation.resampling import LEVEL
from dynjax.percent import in_100, percent
from dynjax.report.comparison import Row, p_text
from dynjax.report.glossary import explain_class
from dynjax.report.wording import counted

SURE = 1 - LEVEL  # a p value below which chance is no good explanation


def comparison_in_short(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Returns the points at the head of a comparison: (what it is about, sentences)."""
    synthetic = any(row.results["cohort"]["synthetic"] for row in rows)
    points = {
        "Asked": [_question(rows)],
        "Answer": [answer(rows), *differences(rows, rows[0].name)],
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
    meanings = [f"{label}: {explain_class(label)}" for label in (positive, negative) if label]
    return " ".join([f"How well do {counted(len(rows), 'run')} tell {other} apart?", *meanings])


def answer(rows: Sequence[Row]) -> str:
    """Says how often each run ranks a positive and a negative person rightly."""
    found = [f"{row.name} {_times(row.results['metrics']['roc_auc'])}" for row in rows]
    return (
        "Of a person of the positive class and one of the other, how often in 100 does each run give the higher "
        f"probability to the positive one? {'; '.join(found)}. Guessing gives 50."
    )


def _times(area: dict) -> str:
    if area["value"] is None:
        return "unknown, for all people tested are of one class"
    ends = area["ci95"]
    between = f" ({percent(LEVEL)} interval {in_100(ends[0])} to {in_100(ends[1])})" if ends else ""
    return f"{in_100(area['value'])}{between}"


def differences(rows: Sequence[Row], first: str) -> Iterator[str]:
    """Says of each run that has the same people as the first, called `first`, whether it differs from that surely."""
    for row in rows[1:]:
        if row.pairing and row.pairing.roc_auc.difference is not None:
            yield f"{row.name}: {_difference(row.pairing.roc_auc, first)}"
    if unpaired := [row.name for row in rows[1:] if not row.pairing]:
        yield f"Not tested on the same people, or in other groups of them, as {first}: {'; '.join(unpaired)}."


def _difference(test: Test, first: str) -> str:
    ends = test.ci95
    between = f" ({percent(LEVEL)} interval: {_signed(ends[0])} to {_signed(ends[1])})" if ends else ""
    text = f"right {_signed(test.difference)} often in 100 than {first}{between}, on the same people."
    if test.p_holm is None:
        return text
    sure = "Chance alone would seldom make such a difference" if test.p_holm < SURE else "That may be chance"
    return f"{text} {sure} (p {p_text(test.p_holm)}, corrected for the number of tests)."


def _signed(difference: float) -> str:
    return f"{in_100(abs(difference))} {'less' if difference < 0 else 'more'}"


def _fits_not(rows: Sequence[Row], synthetic: bool) -> Iterator[str]:
    if synthetic:
        yield "Any real person: the people tested do not exist."
    yield "People with another diagnosis: each run knows its two classes alone."
    if len(rows) > 2:
        yield "The best of several runs is in part the luckiest: expect it to do less well on other people."
