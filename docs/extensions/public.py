"""Documents what `import dynjax` offers: every name of its __all__."""

import inspect

from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import dynjax


class PublicNames(SphinxDirective):
    """Documents each name by autodoc: a class with its members, a function by itself."""

    def run(self) -> list[Node]:
        return self.parse_text_to_nodes("\n".join(map(_block, dynjax.__all__)))


def _block(name: str) -> str:
    is_class = inspect.isclass(getattr(dynjax, name))
    options = "\n   :members:\n   :inherited-members: object, Exception, tuple" if is_class else ""
    return f"```{{eval-rst}}\n.. {'autoclass' if is_class else 'autofunction'}:: dynjax.{name}{options}\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("public-names", PublicNames)
    return {"parallel_read_safe": True}
