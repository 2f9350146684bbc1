"""Turns the short form of docstrings, `Returns: float32 [H, W]` on one line, into what reStructuredText understands."""

import re
from typing import Any

from sphinx.application import Sphinx

SHORT = re.compile(r"(?P<name>Args|Returns|Raises|Yields): (?P<text>\S.*)")
TRAILING = re.compile(r"(?<![`\w])(\w*[a-z0-9])_(?![\w`]| : )")  # as of scikit-learn's classes_, which is no link


def rewrite(lines: list[str]) -> list[str]:
    """Makes each short section a paragraph of its own; bars, as of magnitudes, and underscores stay what they are."""
    made: list[str] = []
    in_short = False
    for line in lines:
        line = TRAILING.sub(r"\1\\_", line.replace("|", r"\|"))
        if section := SHORT.fullmatch(line):
            made += ["", f"**{section['name']}:** {section['text']}"]
            in_short = True
        else:
            in_short = in_short and line.startswith(" ")
            made.append(line.strip() if in_short else line)
    return made


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = rewrite(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process, priority=100)  # before napoleon, which reads the long form
    return {"parallel_read_safe": True}
