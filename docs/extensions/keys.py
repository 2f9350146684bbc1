"""Lists all configs, and every key with its default, its values and what it means, from the files that define them."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

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


class ConfigKeys(SphinxDirective):
    """Lists the keys, a heading a section."""

    def run(self) -> list[Node]:
        made: list[Node] = []
        for section in dict.fromkeys(_section_of(each) for each in described_keys()):
            those = [each for each in described_keys() if _section_of(each) == section]
            made += [nodes.rubric(text=section), nodes.definition_list("", *map(self._item, those))]
        return made

    def _item(self, key: Described) -> nodes.definition_list_item:
        term = nodes.term("", "", nodes.literal(text=key.name), ids=[f"key-{key.name.replace('.', '-')}"])
        if key.default:
            term += [nodes.Text(" = "), nodes.literal(text=key.default)]
        meaning, _ = self.parse_inline(key.meaning.replace("'", "`") if "'" in key.meaning else key.meaning)
        values = f"{key.must[:1].upper()}{key.must[1:]}" + (". Shared: jobs may differ in it." * key.is_shared)
        about = nodes.definition("", nodes.paragraph("", "", *meaning), nodes.paragraph("", "", nodes.emphasis(text=values)))
        return nodes.definition_list_item("", term, about)


class ConfigFiles(SphinxDirective):
    """Lists the configs by name."""

    def run(self) -> list[Node]:
        items = []
        for name, summary in config_summaries().items():
            text, _ = self.parse_inline(summary)
            term = nodes.term("", "", nodes.literal(text=name), ids=[f"config-{name.replace('_', '-')}"])
            items.append(nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph("", "", *text))))
        return [nodes.definition_list("", *items)]


def _section_of(key: Described) -> str:
    section, dot, _ = key.name.rpartition(".")
    return section.partition(".")[0] if dot else "the whole run"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("config-keys", ConfigKeys)
    app.add_directive("config-files", ConfigFiles)
    return {"parallel_read_safe": True}
