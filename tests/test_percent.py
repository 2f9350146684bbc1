"""Percentages: one style everywhere, 49 %."""

import ast
import re
from pathlib import Path

import pytest

from dynjax.percent import in_100, percent

ROOT = Path(__file__).parents[1]
TIGHT = re.compile(r"\d%(?!\w)")  # the other style
PAGES = [
    *ROOT.glob("*.md"),
    *(path for folder in ("docs", "configs", "weights") for path in (ROOT / folder).glob("*.md")),
]
SOURCES = sorted(
    path for folder in ("dynjax", "configs", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")
)


def test_percentages_are_not_rounded_to_certainty():
    assert [in_100(share) for share in (0, 0.001, 0.5, 0.999, 1)] == ["0", "under 1", "50", "over 99", "100"]
    assert percent(0.4949) == "49 %" and percent(0.999) == "over 99 %"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_have_one_style(path):
    assert not TIGHT.findall(path.read_text(encoding="utf-8"))


def tight_texts(source):
    """The texts of a program that have the other style, or would be formatted by it, as '.0%' does."""
    texts = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return [text for text in texts if isinstance(text, str) and TIGHT.search(text)]


def test_messages_have_one_style():
    assert sorted(tight_texts('f"{1:.0%}", "95%", "95 %"')) == [".0%", "95%"] and len(SOURCES) > 200
    found = {str(path): tight_texts(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: texts for path, texts in found.items() if texts} == {}
