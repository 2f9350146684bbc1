"""Pages as a browser shows them, wide and narrow: nothing is asked of a network, nothing lies beyond the edge."""

import pytest

from dynjax.report.comparison import Row
from dynjax.report.comparison_page import comparison_page
from dynjax.report.page import render
from dynjax.report.run_page import run_page
from tests.report.browser import CHROMIUM, open_tab
from tests.report.fabricated import PAIRING, explained, facts, results

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]
BEYOND = "document.documentElement.scrollWidth - innerWidth"
SCROLLS = """[...document.querySelectorAll("main *")].filter(element => element.scrollWidth > element.clientWidth + 1
    && getComputedStyle(element).overflowX != "visible" && element.clientWidth > 1).length"""
CLIPPED = """[...document.querySelectorAll("p, li, h1, h2, figcaption, svg, .numbers div")].filter(
    element => element.getBoundingClientRect().right > innerWidth + 0.5).length"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with open_tab(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A run's, with names as long as they come, and a comparison's."""
    folder = tmp_path_factory.mktemp("pages")
    group = {"column": "scanner", "group": "S" * 50, "n": 9, "n_positive": 4, "note": ""} | {
        "metrics": results()["metrics"]
    }
    others = [
        Row("Dyn + VGG11 + Att", "", 4, results()),
        Row("longword" * 12, "", 4, results(), None, "another cohort"),
    ]
    made = facts(name="Dyn + VGG11 + Att, " + "longword" * 12, results=results(subgroups=[group]), beside=others)
    (folder / "run.html").write_text(render(run_page(explained(made))))
    answers = (made.labels, made.probabilities)
    rows = [Row("Dyn + VGG11 + Att", f"runs/{'folder' * 20}/{number}", 4, results()) for number in range(3)]
    rows[1] = rows[1]._replace(pairing=PAIRING)
    (folder / "compare.html").write_text(render(comparison_page(rows, [answers, answers, None], with_paper=True)))
    return folder


@pytest.mark.parametrize("scheme", ("light", "dark"))
@pytest.mark.parametrize("width", (1280, 360))
@pytest.mark.parametrize("name", ("run", "compare"))
def test_a_page_fits_and_asks_for_nothing(tab, pages, name, width, scheme):
    path = pages / f"{name}.html"
    tab.open(path, width, scheme=scheme)
    assert tab.requests() == [path.as_uri()] and tab.complaints() == []
    assert tab.evaluate("innerWidth") == width and tab.evaluate(BEYOND) <= 0 and tab.evaluate(CLIPPED) == 0
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("width", (390, 500, 640, 768, 900, 1100))
@pytest.mark.parametrize("name", ("run", "compare"))
def test_no_table_runs_off_the_side(tab, pages, name, width):
    tab.open(pages / f"{name}.html", width)
    assert tab.evaluate(BEYOND) <= 0 and tab.evaluate(CLIPPED) == 0 and tab.evaluate(SCROLLS) == 0
    if name == "run" and width in (390, 1100):  # where there is room, a table stays one
        shown = tab.evaluate("getComputedStyle(document.querySelector('#table-metrics + div tbody tr')).display")
        assert shown == ("flex" if width == 390 else "table-row")


def test_the_first_screen_has_the_answer(tab, pages):
    tab.open(pages / "run.html", 1100, 800)
    assert tab.evaluate("document.querySelector('.answer').getBoundingClientRect().bottom") < 800
    assert tab.evaluate("document.querySelector('.answer').innerText").startswith("Of a simulated person with AD")


@pytest.mark.parametrize("width", (390, 1280))
def test_subgroups_can_be_read_without_scrolling(tab, pages, width):
    """On a narrow screen each is a block of its own, whose lines have the headings of the columns."""
    tab.open(pages / "run.html", width)
    box = "document.querySelector('[aria-labelledby=table-subgroups]')"
    assert tab.evaluate(f"{box}.scrollWidth - {box}.clientWidth") <= 0
    shown = tab.evaluate(f"getComputedStyle({box}.querySelector('tbody tr')).display")
    assert shown == ("grid" if width == 390 else "table-row")
    label = f"getComputedStyle({box}.querySelectorAll('td')[4], '::before').content"
    assert tab.evaluate(label) == ('"ROC AUC"' if width == 390 else "none")


def test_a_heading_leads_to_its_explanation(tab, pages):
    tab.open(pages / "run.html", 1100)
    tab.evaluate("document.querySelector('#table-metrics + div a.term[href=\"#term-mcc\"]').click()")
    assert tab.evaluate("document.querySelector(':target').innerText") == "MCC"
    assert tab.evaluate("document.querySelector(':target').getBoundingClientRect().top") < 900


def test_what_would_be_wrong_is_seen(tab, tmp_path):
    """The checks can fail: a page that is too wide, asks for an image and complains."""
    page = tmp_path / "bad.html"
    page.write_text("<p style='width: 2000px'>x</p><img src='missing.png'><script>console.error('x'); y()</script>")
    tab.open(page, 1280)
    assert tab.evaluate(BEYOND) > 0 and tab.evaluate(CLIPPED) == 1
    assert len(tab.requests()) == 2 and len(tab.complaints()) >= 2


def test_it_prints(tab, pages, tmp_path):
    tab.open(pages / "run.html", 1280, scheme="dark")
    tab.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().count(b"/Type /Page\n") in range(5, 17)
