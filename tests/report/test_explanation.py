"""The section of a run's page about its maps: there, absent, without names, and one file still."""

import re

import pytest

from dynjax.report.page import Picture, Table, render, save_parts
from dynjax.report.run_page import PARTS, run_page
from tests.report.browser import CHROMIUM, open_tab
from tests.report.fabricated import explained, facts, results

PLAIN = {"images": None, "events": []}


@pytest.fixture(scope="module")
def made():
    return run_page(explained(facts(**PLAIN)))


@pytest.fixture(scope="module")
def page(made):
    return render(made)


def section(page):
    """The text of the section, with the text between its tags alone."""
    (found,) = re.findall(r"<h2[^>]*>Explanation: [^<]*</h2>(.*?)</section>", page, re.DOTALL)
    return found, re.sub(r"<[^>]+>", " ", found)


def test_it_follows_the_largest_errors_and_is_absent_without_maps(made):
    titles = [section.title for section in made.sections]
    assert titles[titles.index("Largest errors") + 1].startswith("Explanation: ")
    assert ">Explanation" not in render(run_page(facts(**PLAIN)))


def test_what_it_says(page):
    _, text = section(page)
    for said in (
        "36 scans explained by the method &#39;gradients&#39;",
        "What this map may claim.",
        "Agreement between 3 networks: 0.40",
        "red speaks for AD",
        "The maps by region of atlas.nii.gz",
        "1,200",
    ):
        assert said in text, said
    mask = render(run_page(explained(facts(**PLAIN), method="attention", unit="share of the mask per voxel")))
    assert "A map is in share of the mask per voxel." in mask and "red speaks" not in mask
    bare = render(run_page(explained(facts(**PLAIN), agreement=None, regions=None, groups=[])))
    assert not [said for said in ("Agreement", "by region", "Mean maps") if said in bare]


def test_pictures_are_in_the_page_and_described(page):
    found, _ = section(page)
    images = re.findall(r'<img src="data:image/png;base64,iVBOR[^"]+" alt="([^"]+)">', found)
    assert len(images) == found.count("<img") == 3 and all(alt.startswith("SYNTHETIC subjects. ") for alt in images)
    assert "AD, predicted as AD (3 scans); CN, predicted as AD (3 scans)" in images[0]
    assert "Error 2: " in images[1] and "Error 3: " in images[2], "the largest error was not explained"


def test_real_subjects_carry_no_mark():
    real = facts(results=results(cohort=results()["cohort"] | {"synthetic": False}), **PLAIN)
    assert "SYNTHETIC" not in render(run_page(explained(real)))


def test_nobody_is_named_unless_asked(page):
    assert "participant-" not in page and "href=" not in section(page)[0] and "viewer.html in the folder" in page
    found, text = section(render(run_page(explained(facts(show_ids=True, **PLAIN)))))
    assert 'href="explanation/participant-007/viewer.html"' in found and found.count("<a ") == 36
    made = facts(**PLAIN)
    assert f"subject {made.subjects[made.most_wrong(2)[1]]}." in text


def test_links_and_regions_cannot_break_the_page():
    scan = {"subject": '"><script>', "session": "m 06", "picture": "", "viewer": "a #1?/\"'<x/viewer.html"}
    regions = {"atlas": "<b>", "columns": ["<i>"], "rows": [["<u>"], [None], [0.25]]}
    made = explained(facts(show_ids=True, **PLAIN), scans=[scan], regions=regions)
    found, _ = section(render(run_page(made)))
    assert 'href="explanation/a%20%231%3F/%22%27%3Cx/viewer.html"' in found
    assert not re.search("<(script|b|i|u)>", found) and "&gt;&lt;script&gt; m 06" in found


def test_no_error_among_the_explained():
    made = explained(facts(**PLAIN))
    made = made._replace(explanation=made.explanation._replace(errors={}))
    assert "None of the explained subjects was misclassified." in render(run_page(made))


def test_parts_for_papers(made, tmp_path):
    (tmp_path / "error_map_3.png").write_text("of an earlier page")
    save_parts(made, tmp_path, PARTS)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"mean_maps.png", "error_map_1.png", "error_map_2.png", "regions.csv"} <= names
    assert "error_map_3.png" not in names
    assert (tmp_path / "mean_maps.png").read_bytes().startswith(b"\x89PNG")
    assert {block.name for block in made.blocks() if isinstance(block, Picture | Table)} <= set(PARTS)
    assert "left,1200,0.5,SYNTHETIC subjects" in (tmp_path / "regions.csv").read_text()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_it_fits_narrow_and_wide(tmp_path):
    path = tmp_path / "run.html"
    path.write_text(render(run_page(explained(facts(show_ids=True, **PLAIN)))))
    with open_tab(tmp_path / "profile") as tab:
        for width in (1100, 390):
            tab.open(path, width)
            assert tab.requests() == [path.as_uri()] and tab.complaints() == []
            assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 500)")
