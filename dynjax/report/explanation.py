"""The section of a run's page that shows what `explain` found: mean maps, maps of the largest errors, regions."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from dynjax.report.facts import Explanation, Facts
from dynjax.report.map_picture import draw_mean_maps
from dynjax.report.page import Block, Links, Picture, Table, Text
from dynjax.report.wording import counted, number

FOLDER = "explanation"  # beside the page
WORST = 8  # errors whose maps are shown
EXPLANATION_PARTS = ("mean_maps", "regions", *(f"error_map_{place}" for place in range(1, WORST + 1)))


def explanation(facts: Facts) -> Iterator[Block]:
    """Builds the section; it is empty if no scan of the run was explained."""
    found = facts.explanation
    if found is None:
        return
    yield Text(_what(facts, found))
    yield Text(found.about["sentence"])
    if agreement := found.about["agreement"]:
        yield Text(_agreement(agreement))
    if found.maps:
        yield _mean_maps(facts, found)
    if found.about["regions"]:
        yield _regions(facts, found.about["regions"])
    yield from _errors(facts, found)
    yield from _viewers(facts, found)


def _what(facts: Facts, found: Explanation) -> str:
    about, positive = found.about, facts.classes[1]
    signs = "" if about["method"] == "attention" else f": red speaks for {positive}, blue against it"
    return (
        f"{counted(len(about['scans']), 'scan')} explained by the method '{about['method']}'. "
        f"Reference: {about['reference'].rstrip('.')}. A map is in {about['unit']}{signs}."
    )


def _agreement(agreement: dict[str, Any]) -> str:
    mean, networks = number(agreement["mean"], 2), counted(agreement["networks"], "network")
    return (
        f"Agreement between {networks}: {mean}, the mean Spearman correlation between what two of them "
        "look for in the images, averaged over their scans. It is 1 if they agree, 0 if they have nothing in common "
        "and, where their scans are not the same, lower for that alone."
    )


def _mean_maps(facts: Facts, found: Explanation) -> Picture:
    groups = found.about["groups"]
    titles = [f"{_group(facts, group)} ({counted(group['n'], 'scan')})" for group in groups]
    rows = [(title, *maps) for title, maps in zip(titles, found.maps)]
    png = draw_mean_maps(rows, found.affine, [found.about["sentence"]], facts.mark, found.about["unit"])
    text = "Mean maps over the mean scans, by true and predicted class, on one scale, through the place where they "
    text += "are strongest together."
    alt = f"Axial, coronal and sagittal planes of the mean maps of: {'; '.join(titles)}."
    return Picture("mean_maps", png, text, facts.marked(alt))


def _group(facts: Facts, group: dict[str, Any]) -> str:
    label = group["label"]
    predicted = label if group["correct"] else next(name for name in facts.classes if name != label)
    return f"{label}, predicted as {predicted}"


def _regions(facts: Facts, regions: dict[str, Any]) -> Table:
    caption = facts.marked(f"The maps by region of {regions['atlas']}.")
    rows = [[_cell(value) for value in row] for row in regions["rows"]]
    numbers = ([*regions["columns"], "mark"], [[*row, facts.mark] for row in regions["rows"]])
    return Table("regions", caption, regions["columns"], rows, numbers)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def _errors(facts: Facts, found: Explanation) -> Iterator[Block]:
    """Shows the maps of the largest errors, numbered by their place among all errors of the run."""
    places = {facts.subjects[index]: place for place, index in enumerate(facts.most_wrong(len(facts.subjects)), 1)}
    if not found.errors:
        yield Text("None of the explained subjects was misclassified.")
        return
    yield Text(
        "The maps of the largest errors among the explained subjects, worst first, numbered by their place among all "
        "errors of the run. Each has its own scale."
    )
    for position, (subject, png) in enumerate(found.errors.items(), start=1):
        index = facts.subjects.index(subject)
        text = f"Error {places[subject]}: {facts.classes[facts.labels[index]]}, probability of {facts.classes[1]} "
        text += number(facts.probabilities[index]) + (f", subject {subject}." if facts.show_ids else ".")
        alt = f"Three planes of a scan and its map. {text}"
        yield Picture(f"error_map_{position}", png, text, facts.marked(alt))


def _viewers(facts: Facts, found: Explanation) -> Iterator[Block]:
    """Links to the page of each scan; the address of such a page has the subject's id."""
    scans = found.about["scans"]
    if not facts.show_ids:
        yield Text(
            f"To look through each explained scan slice by slice, open the files viewer.html in the folder {FOLDER} "
            "beside this page; they are not linked here, because their folders are named by subject."
        )
        return
    yield Text("Look through an explained scan slice by slice:")
    names = [" ".join(filter(None, (scan["subject"], scan["session"]))) for scan in scans]
    yield Links([(name, quote(f"{FOLDER}/{scan['viewer']}")) for name, scan in zip(names, scans)])
