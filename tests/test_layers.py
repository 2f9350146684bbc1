"""The house: an import never points upward, and no verb imports another."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dynjax"

# From the ground up: a folder, or a file of the package itself, imports from its own floor and those before it.
FLOORS = [
    ["errors", "memory", "percent"],
    ["files"],
    ["csv_table", "work"],
    ["cohort", "volumes"],
    ["preprocess", "projection"],
    ["models"],
    ["pretrained", "linear"],
    ["frozen"],
    ["baselines", "audit", "guard", "training", "evaluation", "explanation"],
    ["report"],
    ["run"],
    ["config_names"],
    ["config_file"],
    ["verbs"],
    ["api"],
    ["parsing"],
    ["help_pages", "help_text"],
    ["command_line"],
    ["arguments"],
    ["__main__"],
]
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
STRANGERS = [  # rooms that know nothing of each other, though their floors would allow it
    {"models", "cohort"},
    {"models", "volumes"},
    {"models", "preprocess"},
    {"pretrained", "cohort"},
    {"training", "cohort"},
    {"training", "volumes"},
    {"evaluation", "training"},
    {"projection", "preprocess"},
]


def imports(path):
    """The modules of dynjax that a file imports, also within its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("dynjax."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dynjax":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.name != "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_points_upward(path):
    room = room_of(path)
    for module in imports(path):
        other = module.split(".")[1]
        if other in FLOOR_OF:
            assert FLOOR_OF[other] <= FLOOR_OF[room], f"{path}: imports {module}"
            assert {room, other} not in STRANGERS, f"{path}: imports {module}"


def test_no_verb_imports_a_verb():
    verbs = sorted((PACKAGE / "verbs").glob("*.py"))
    assert len(verbs) > 8
    for path in verbs:
        assert not [module for module in imports(path) if module.startswith("dynjax.verbs")], path


def test_every_room_has_its_floor():
    assert {room_of(path) for path in FILES} == set(FLOOR_OF)


def test_one_file_alone_imports_orbax():
    users = [path.name for path in FILES if re.search(r"^(import|from) orbax", path.read_text(encoding="utf-8"), re.M)]
    assert users == ["checkpoint.py"]
