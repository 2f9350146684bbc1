"""README.md and the pages: what they link to is there, their commands can be given, every key is described."""

import re
import shlex
import struct
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from docs.extensions.described import config_summaries, described_keys, meanings
from dynjax.cohort.phantom.subject import SEPARATION, best_auc, draw_subjects
from dynjax.run.keys import KEYS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)
HEADING = re.compile(r"^#+ (?P<text>.*)$", re.M)
COMMAND = re.compile(r"^ {4,}(dynjax (?:[^\n]*\\\n)*[^\n]*)$", re.M)
FLAG = re.compile(r"DEFINE_\w+\(\s*\"(?P<name>[\w-]+)\"")
LARGEST_PICTURE = 150_000  # bytes


def anchors(text):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    without_code = FENCE.sub("", text)
    titles = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", found["text"]) for found in HEADING.finditer(without_code)]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(page, text):
    """The links of a page to files or headings that are not there."""
    for found in LINK.finditer(FENCE.sub("", text)):
        target, _, anchor = found["target"].partition("#")
        if target.startswith(("http:", "https:")):
            continue
        file = page.parent / target if target else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            yield found["target"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    assert not list(broken(page, page.read_text(encoding="utf-8")))


def test_a_broken_link_is_found():
    page = ROOT / "docs" / "index.md"
    links = "[a](running.md#exit-codes) [b](running.md#exit) [c](nowhere.md) [d](https://x.y) ![e](pictures/answer.png)"
    assert list(broken(page, links)) == ["running.md#exit", "nowhere.md"]


def test_readme_is_read_to_its_end():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text) <= 6000
    assert text.count("![") == 1 and "SYNTHETIC" in text


def test_pictures_are_small_and_shown():
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert pictures
    for path in pictures:
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert path.suffix == ".png" and path.name in shown and width > height
        assert path.stat().st_size < LARGEST_PICTURE


def commands():
    """Every command of the pages' examples, with the page."""
    for page in PAGES:
        for found in COMMAND.finditer(page.read_text(encoding="utf-8")):
            yield page.name, shlex.split(found[1].replace("\\\n", " "), comments=True)


@pytest.mark.parametrize("page, words", list(commands()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_can_be_given(page, words):
    sources = [ROOT / "main.py", *(ROOT / "dynjax").glob("*.py")]
    flags = {found["name"] for path in sources for found in FLAG.finditer(path.read_text(encoding="utf-8"))}
    verbs = {path.stem for path in (ROOT / "dynjax" / "verbs").glob("*.py")}
    if words[1:] == ["--version"]:
        return
    assert words[1] in verbs
    for word in words[2:]:
        name, _, value = word.removeprefix("--").partition("=")
        if word.startswith("["):
            continue  # what can be left out
        if name == "config":
            assert value.partition(":")[0] in config_summaries() or value in ("...", "NAME", "mine.py:quick")
        elif name.startswith("config."):
            assert name.removeprefix("config.") in KEYS
        elif word.startswith("--"):
            assert name in flags


def test_every_key_is_described():
    described = {each.name: each for each in described_keys()}
    assert list(described) == list(KEYS)
    assert not [name for name, each in described.items() if len(each.meaning) < 12]
    assert described["cohort.labels"].default == "CN,AD" and described["train.only_folds"].is_shared


def test_a_key_without_a_comment_has_no_description():
    source = """
    # seeds all
    "seed": _any(0),
    # of
    #
    "cohort.n": _any(1),
    # two
    # lines
    "x": _any(1),
"""
    assert meanings(source) == {"seed": "seeds all", "cohort.n": "", "x": "two lines"}


def test_every_config_says_what_it_is():
    summaries = config_summaries()
    assert len(summaries) > 20 and all(summaries.values())


def test_the_tutorials_cohort_is_not_a_lucky_one():
    """Its subjects can be told apart no better than phantoms can be on the whole: few of them may be, by chance."""
    text = (ROOT / "docs" / "examples" / "phantom_to_page.py").read_text(encoding="utf-8")
    n, seed = map(int, re.search(r"^SUBJECTS, SEED = (\d+), (\d+)$", text, re.M).groups())

    def possible(seed):
        subjects = draw_subjects(n, seed)
        return roc_auc_score([one.label == "AD" for one in subjects], [one.severity for one in subjects])

    assert abs(possible(seed) - best_auc(SEPARATION)) < 0.03 < abs(possible(0) - best_auc(SEPARATION))
