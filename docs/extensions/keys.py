"""Lists all configs, and every key with its default, its values and what it means."""

import re

from docutils import nodes
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from extensions.described import Described, config_summaries, described_keys, section_of

QUOTED = re.compile(r"(?<!\w)'([^']*)'(?!\w)")  # a value, not an apostrophe
FLAG = re.compile(r"(?<![\w`-])--[\w.]+(=[\w.,+]+)?(?!`)")  # with its value, if any


class ConfigKeys(SphinxDirective):
    """Lists the keys, a heading a section."""

    def run(self) -> list[Node]:
        self.env.note_reread()  # the page is made anew each time: what it shows may have changed
        made: list[Node] = []
        for section in dict.fromkeys(section_of(each) for each in described_keys()):
            those = [each for each in described_keys() if section_of(each) == section]
            made += [nodes.rubric(text=section), nodes.definition_list("", *map(self._item, those))]
        return made

    def _item(self, key: Described) -> nodes.definition_list_item:
        term = nodes.term("", "", nodes.literal(text=key.name), ids=[f"key-{key.name.replace('.', '-')}"])
        if key.default:
            term += [nodes.Text(" = "), nodes.literal(text=key.default)]
        meaning, _ = self.parse_inline(f"{_literals(key.meaning[:1].upper() + key.meaning[1:])}.")
        values = f"{key.must[:1].upper()}{key.must[1:]}." + " Shared: jobs may differ in it." * key.is_shared
        about = nodes.definition("", nodes.paragraph("", "", *meaning, nodes.Text(" "), nodes.emphasis(text=values)))
        return nodes.definition_list_item("", term, about)


class ConfigFiles(SphinxDirective):
    """Lists the configs by name."""

    def run(self) -> list[Node]:
        self.env.note_reread()
        items = []
        for name, summary in config_summaries().items():
            text, _ = self.parse_inline(summary)
            term = nodes.term("", "", nodes.literal(text=name), ids=[f"config-{name.replace('_', '-')}"])
            items.append(nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph("", "", *text))))
        return [nodes.definition_list("", *items)]


def _literals(text: str) -> str:
    """Marks quoted values and flags as code."""
    return FLAG.sub(lambda found: f"`{found[0]}`", QUOTED.sub(lambda found: f"`{found[1] or found[0]}`", text))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("config-keys", ConfigKeys)
    app.add_directive("config-files", ConfigFiles)
    return {"parallel_read_safe": True}
