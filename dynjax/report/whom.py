"""Says in plain words whom a run's results fit and whom not."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dynjax.report.facts import Facts
from dynjax.report.wording import counted

CHANCE = 0.5  # ROC AUC
OLDEST = 89  # years; higher ages are so rare that they can identify a person
SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


def fits(facts: Facts) -> Iterator[str]:
    """Says for whom the results hold, and who was tested."""
    area = facts.results["metrics"]["roc_auc"]["ci95"]
    if facts.synthetic:
        yield "Simulated people only."
    elif facts.shuffled or area is None or area[0] <= CHANCE:
        yield "Nobody, as far as this run shows."
    else:
        yield "People like those tested, with scans made and prepared like theirs."
    yield from _tested(facts.columns, len(facts.labels))
    if facts.external:
        yield "Ages, sexes and sites of the people on whom the networks were trained are on the page of their own run."


def _tested(columns: Mapping[str, Sequence[str]], count: int) -> Iterator[str]:
    """Describes the people tested by what the scan table has of them."""
    known = [text for text in (_ages(columns), _sexes(columns), _sites(columns)) if text]
    if known:
        yield f"The {count:,} people tested: {'; '.join(known)}."
    if lacking := [f"no {name}" for name in ("age", "sex", "site") if not any(columns.get(name, ()))]:
        yield f"The scan table has {', '.join(lacking)} of them, so whom the result fits is not fully known."


def _ages(columns: Mapping[str, Sequence[str]]) -> str:
    ages = [float(text) for text in columns.get("age", ()) if text.replace(".", "", 1).isdigit()]
    if not ages:
        return ""
    low, first, third, high = np.quantile(ages, [0, 0.25, 0.75, 1])
    oldest = f"{high:.0f}" if high <= OLDEST else f"over {OLDEST}"
    return f"{low:.0f} to {oldest} years old, half of them {first:.0f} to {third:.0f}"


def _sexes(columns: Mapping[str, Sequence[str]]) -> str:
    texts = [SEXES.get(text.lower(), text) for text in columns.get("sex", ()) if text]
    return ", ".join(f"{texts.count(name):,} {name}" for name in sorted(set(texts)))


def _sites(columns: Mapping[str, Sequence[str]]) -> str:
    sites = {text for text in columns.get("site", ()) if text}
    return f"from {counted(len(sites), 'site')}" if sites else ""


def fits_not(facts: Facts) -> Iterator[str]:
    """Says for whom nothing was shown."""
    if facts.synthetic:
        yield "Any real person: nothing here was learned from one, nor tested on one."
    elif facts.trained_on.get("synthetic"):
        yield "Nobody should rely on it: the networks had seen simulated people only."
    if facts.trained_on.get("shuffled"):
        yield "Nobody at all: the networks had learned from labels that were mixed at random."
    yield f"People with another diagnosis: it knows {' and '.join(facts.classes)} and will call anyone one of them."
    if refused := _refused(facts):
        yield refused
    yield _others(facts)


def _refused(facts: Facts) -> str:
    excluded = facts.results["cohort"]["excluded"]
    reasons = {reason: count for reason, count in excluded.items() if count and reason.startswith("refused")}
    if not reasons:
        return ""
    kinds = ", ".join(dict.fromkeys(reason.partition(": ")[2] or "unusable" for reason in reasons))
    return f"Scans that cannot be used, like {sum(reasons.values()):,} of this table ({kinds}): they get no answer."


def _others(facts: Facts) -> str:
    """Says what is done about a scan that is unlike those of training."""
    if facts.external:
        verdicts = (facts.external.get("likeness") or {}).get("verdicts") or {}
        unlike = sum(verdicts.get(verdict, 0) for verdict in ("warning", "refused"))
        if not verdicts or "unknown" in verdicts:
            return "Scans unlike those of training: which of these are was not found out."
        return f"Scans unlike those of training: {unlike:,} of {counted(sum(verdicts.values()), 'scan')} here."
    text = "People from other sites, scanners or age groups: not tested."
    if facts.guarded:
        text += " Before it answers, the command predict compares a new scan with those of training; it warns of one"
        text += " that is unlike them, or refuses it."
    return text
