"""The page that compares runs: plain sentences first, words explained, headings in full."""

import pytest

from dynjax.evaluation import paired
from dynjax.report.comparison import Row
from dynjax.report.comparison_page import comparison_page
from dynjax.report.page import Glossary, Points, Table, render
from dynjax.report.run_page import run_page
from tests.report.fabricated import PAIRING, facts, results

AREA = {"roc_auc": {"value": 0.93, "ci95": [0.86, 0.97]}}
ROWS = [
    Row("recipe", "a", 4, results(metrics=results()["metrics"] | AREA), negative="CN"),
    Row("brain volume", "b", 4, results(), pairing=PAIRING, negative="CN"),
    Row("of others", "c", 4, results(), unpaired="another cohort", negative="CN"),
]


@pytest.fixture(scope="module")
def page():
    return comparison_page(ROWS, [None] * 3, with_paper=True)


def points(page):
    return next(dict(block.points) for block in page.blocks() if isinstance(block, Points))


def test_it_begins_in_plain_words(page):
    said = points(page)
    assert page.sections[0].title == "In short" and said["Whom it fits"] == ["Simulated people only."]
    assert "3 runs tell AD and CN apart? AD: Alzheimer's disease" in said["Asked"][0]
    first, how, *ranked, second, third = said["Answer"]
    assert first == "Run 1 is ahead of run 2 by more than chance explains." and "guessing gives 50" in how
    assert ranked[0] == "Run 1, recipe: 93 (95 % interval 86 to 97)." and len(ranked) == 3
    fewer = "ranks 7 fewer rightly than run 1 does (95 % interval: 13 fewer to 3 fewer)."
    assert second.startswith(f"Of 100 pairs of a positive and a negative person, brain volume {fewer}")
    assert "Chance alone would seldom make such a difference (p 0.016, corrected" in second
    assert third == "Not tested on the same people, or in other groups of them, as run 1: of others."
    assert any("luckiest" in line for line in said["Whom it does not fit"])


def test_a_difference_that_may_be_chance_is_called_so():
    unsure = ROWS[1]._replace(pairing=PAIRING._replace(roc_auc=paired.Test(0.02, [-0.05, 0.09], 0.4, 0.4)))
    page = comparison_page([ROWS[0], unsure], [None] * 2, with_paper=False)
    first, *_, last = points(page)["Answer"]
    assert first == "Between run 1 and run 2 any difference may be chance."
    assert "ranks 2 more rightly than" in last and "may be chance (p 0.400" in last
    assert not any("luckiest" in line for line in points(page)["Whom it does not fit"]), (
        "of two there is no best of many"
    )


def test_without_the_same_people_no_run_is_called_best():
    assert points(comparison_page([ROWS[0], ROWS[2]], [None] * 2, False))["Answer"][0].startswith(
        "Which run is best cannot"
    )


def test_real_people_are_not_called_simulated():
    real = [row._replace(results=results(cohort=results()["cohort"] | {"synthetic": False})) for row in ROWS]
    assert "SYNTHETIC" not in (text := render(comparison_page(real, [None] * 3, False))) and "Simulated" not in text


@pytest.mark.parametrize("of", ("a comparison", "a run beside others"))
def test_every_heading_of_its_tables_is_whole_and_explained(page, of):
    shown = page if of == "a comparison" else run_page(facts(images=None, events=[], beside=ROWS))
    tables = [
        block for block in shown.blocks() if isinstance(block, Table) and block.name not in ("cohort", "most_wrong")
    ]
    (words,) = (block for block in shown.blocks() if isinstance(block, Glossary))
    assert shown.sections[-1].blocks == [words]
    heads = {head for table in tables for head in table.head} & {
        "Accuracy",
        "ROC AUC",
        "F1",
        "p",
        "p Holm",
        "parameters",
    }
    assert len(heads) == 6 and heads <= set(shown.terms)
    assert not {"Acc", "ROC", "AP", "s/fold"} & shown.heads()
