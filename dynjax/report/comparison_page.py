"""The page that compares several runs: their metrics, their tests against the first, and their ROC curves."""

from collections.abc import Iterator, Sequence

import numpy as np

from dynjax.report import figures
from dynjax.report.comparison import (
    PAIRING_HEADINGS,
    PAPER_AP,
    THE_PAPER,
    Row,
    headings,
    in_full,
    method,
    pairing_cells,
    row_lines,
)
from dynjax.report.curves import roc_points
from dynjax.report.facts import RESEARCH, SYNTHETIC, Facts, describe_mark
from dynjax.report.page import Block, Figure, Items, Page, Points, Section, Table, Text, with_glossary
from dynjax.report.plain_comparison import comparison_in_short, differences

LabelsAndProbabilities = tuple[np.ndarray, np.ndarray]  # labels [N] of 0 and 1, probabilities [N]


def comparison_page(rows: list[Row], answers: Sequence[LabelsAndProbabilities | None], with_paper: bool) -> Page:
    """Builds the page that compares several runs.

    answers: each run's labels and probabilities, one per subject; None where they cannot be read.
    """
    synthetic = any(row.results["cohort"]["synthetic"] for row in rows)
    optimistic = any("OPTIMISTIC" in row.notes for row in rows)
    mark = describe_mark(*(row.results for row in rows))
    caption = f"{mark}. " if mark else ""
    notices = [SYNTHETIC] if synthetic else []
    if optimistic:
        notices.append("OPTIMISTIC: runs with this mark selected their epochs on test subjects.")
    sections = [
        Section("In short", [Points(comparison_in_short(rows))]),
        Section("Runs", list(_runs(rows, with_paper, caption))),
        Section("Tests against the first run", list(_pairings(rows, caption))),
        Section("ROC curves", list(_curves(rows, answers, mark))),
    ]
    filled = [section for section in sections if section.blocks]
    page = Page(f"{len(rows)} runs compared", [*notices, RESEARCH], filled, RESEARCH)
    first = rows[0].results
    return with_glossary(page, first, (rows[0].negative or "the other class", first["positive_class"]))


def _runs(rows: list[Row], with_paper: bool, caption: str) -> Iterator[Block]:
    text = f"{caption}Each metric with its 95 % interval, and the training time per fold."
    lines = [
        [f"{name}, on {notes}" if name == THE_PAPER else name, *cells]
        for name, *cells, notes in row_lines(rows, with_paper)
    ]
    yield Table("runs", text, in_full(headings(with_paper)[:-1]), lines)
    if with_paper:
        yield Text(f"{PAPER_AP}.")
    yield Items(
        [f"{number}: {row.name}, {row.folder}: {', '.join(row.notes)}" for number, row in enumerate(rows, start=1)]
    )


def _pairings(rows: list[Row], caption: str) -> Iterator[Block]:
    lines = [[row.name, *pairing_cells(row.pairing)] for row in rows if row.pairing]
    if lines:
        yield Text(f"Differences from {rows[0].name} ({rows[0].folder}), paired by subject. {method(len(lines))}.")
        yield Table("paired", f"{caption}Paired differences with 95 % intervals.", in_full(PAIRING_HEADINGS), lines)
    reasons = [f"Not paired: {row.name} ({row.folder}): {row.unpaired}" for row in rows if row.unpaired]
    if reasons:
        yield Items(reasons)


def _curves(rows: list[Row], answers: Sequence[LabelsAndProbabilities | None], mark: str) -> Iterator[Block]:
    curves, areas = {}, []
    for number, (row, answer) in enumerate(zip(rows, answers), start=1):
        if answer is not None and len(np.unique(answer[0])) == 2:
            curves[f"{number}: {row.name}"] = roc_points(*answer)
            areas.append(f"{row.name} {row.results['metrics']['roc_auc']['value']:.2f}")
    if curves:
        text = "One curve per run, over all subjects that it evaluated, numbered as in the list of runs."
        alt = f"ROC curves. Areas: {', '.join(areas)}."
        yield Figure("roc", figures.overlaid_roc(curves, mark), text, alt)
    if len(curves) < len(rows):
        yield Text(
            "Runs whose predictions cannot be read (the file predictions.csv), or with subjects of only one class, "
            "have no curve."
        )


def beside(facts: Facts) -> Iterator[Block]:
    """Compares a run with others on its own page, without naming folders; yields nothing if there are no others."""
    if len(facts.beside) < 2:
        return
    mark = describe_mark(*(row.results for row in facts.beside))  # the others' too
    caption = f"{mark}. " if mark else ""
    text = f"{caption}This run and the others: each metric with its 95 % interval, and the training time per fold."
    lines = [cells[:-1] for cells in row_lines(list(facts.beside), with_paper=False)]
    yield Table("beside", text, in_full(headings(with_paper=False)[:-1]), lines)
    items = []
    for number, row in enumerate(facts.beside, start=1):
        notes = row.notes[1:]  # without the first, the path of the scan table, which may identify a person
        items.append(f"{number}: {row.name}: {', '.join(notes)}")
    yield Items(items)
    yield Items(list(differences(facts.beside, "this run")))
    lines = [[row.name, *pairing_cells(row.pairing)] for row in facts.beside if row.pairing]
    if lines:
        text = f"{caption}Differences from this run, paired by subject. {method(len(lines))}."
        yield Table("beside_paired", text, in_full(PAIRING_HEADINGS), lines)
    reasons = [f"Not paired: {row.name}: {row.unpaired}" for row in facts.beside if row.unpaired]
    if reasons:
        yield Items(reasons)
