"""Documents what `import dynjax` offers: every name of its __all__, and what these return."""

import inspect
import typing
from collections.abc import Iterator
from typing import Any

from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import dynjax


class PublicNames(SphinxDirective):
    """Documents each name by autodoc: a class with its members, a function by itself."""

    def run(self) -> list[Node]:
        self.env.note_reread()  # the page is made anew each time: what it shows may have changed
        return self.parse_text_to_nodes("\n".join(_block(getattr(dynjax, name), name) for name in dynjax.__all__))


class ReturnedClasses(SphinxDirective):
    """Documents the classes of dynjax that the public functions return."""

    def run(self) -> list[Node]:
        functions = [getattr(dynjax, name) for name in dynjax.__all__]
        found = dict.fromkeys(each for function in functions for each in returned(function))
        return self.parse_text_to_nodes("\n".join(_block(each, f"{each.__module__}.{each.__name__}") for each in found))


def returned(function: Any) -> Iterator[type]:
    """Yields the classes of dynjax in a function's return type, such as Map in list[Map]."""
    if inspect.isfunction(function):
        hint = function.__annotations__.get("return")
        for each in (hint, *typing.get_args(hint)):
            if inspect.isclass(each) and each.__module__.startswith("dynjax."):
                yield each


def _block(what: Any, name: str) -> str:
    name = name if "." in name else f"dynjax.{name}"
    options = "\n   :members:" if inspect.isclass(what) else ""
    if fields := getattr(what, "_fields", ()):
        options += f"\n   :exclude-members: {', '.join(fields)}"  # the docstring says what they are
    return f"```{{eval-rst}}\n.. {'autoclass' if options else 'autofunction'}:: {name}{options}\n```\n"


def _is_foreign(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out members that another library gives a class, such as scikit-learn's set_fit_request."""
    return True if not getattr(member, "__module__", "dynjax").startswith("dynjax") else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("public-names", PublicNames)
    app.add_directive("returned-classes", ReturnedClasses)
    app.connect("autodoc-skip-member", _is_foreign)
    return {"parallel_read_safe": True}
