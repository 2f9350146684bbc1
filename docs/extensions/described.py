"""Reads what each config is, and what each key means, from the files that define them."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

from dynjax.run import keys

ROOT = Path(__file__).parents[2]
ENTRY = re.compile(r'    "(?P<key>[a-z_.]+)": _')
COMMENT = re.compile(r"    # ?(?P<text>.*)")


class Described(NamedTuple):
    """A key of a config: its default, which values it can have, what it means, and whether jobs may differ in it."""

    name: str
    default: str
    must: str
    meaning: str
    is_shared: bool


def meanings(source: str) -> dict[str, str]:
    """Returns the comment above each key in the source of dynjax/run/keys.py, '' for one without."""
    found, lines = {}, []
    for line in source.splitlines():
        if entry := ENTRY.match(line):
            found[entry["key"]] = " ".join(lines)
            lines = []
        elif comment := COMMENT.fullmatch(line):
            lines = [*lines, comment["text"]] if comment["text"] else []
    return found


def described_keys() -> list[Described]:
    """Lists every key of a config, in order."""
    meaning = meanings(Path(keys.__file__).read_text(encoding="utf-8"))
    return [
        Described(name, _written(key.default), key.must().removeprefix("must be "), meaning[name], key.shared)
        for name, key in keys.KEYS.items()
    ]


def config_summaries() -> dict[str, str]:
    """Returns the first line of each config's docstring, by the config's name."""
    files = sorted(path for path in (ROOT / "configs").glob("*.py") if path.stem != "base")
    documented = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in files}
    return {name: text.partition("\n")[0] for name, text in documented.items()}


def _written(default: object) -> str:
    """Returns a default as the command line takes it."""
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def section_of(key: Described) -> str:
    """Names the part of the config that a key is in."""
    section, dot, _ = key.name.rpartition(".")
    return section.partition(".")[0] if dot else "the whole run"
