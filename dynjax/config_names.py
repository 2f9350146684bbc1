"""Finds the configs that come with dynjax by their names, in a checkout and where the package is installed."""

import ast
import difflib
import sys
from pathlib import Path
from types import ModuleType

from dynjax.errors import UsageError
from dynjax.files import expanded

PACKAGE = Path(__file__).parent
BASE = "base"  # what config files import, and no config itself


def configs_folder() -> Path:
    """Returns the folder of configs: within an installed package, beside the package in a checkout."""
    installed = PACKAGE / "configs"
    return installed if installed.is_dir() else PACKAGE.parent / "configs"


def config_files() -> dict[str, Path]:
    """Returns the files of the configs that come with dynjax, by name."""
    return {path.stem: path for path in sorted(configs_folder().glob("*.py")) if path.stem != BASE}


def find_config(given: str) -> Path:
    """Returns the file of a config, given its path or, where there is no such file, its name.

    Raises: UsageError if it is neither, with the nearest name.
    """
    path, named = expanded(given), config_files()
    if path.is_file():
        return path
    if given in named:
        return named[given]
    nearest = difflib.get_close_matches(path.stem, named, n=1)
    advice = f"did you mean --config={nearest[0]}?" if nearest else "`dynjax configs` lists all"
    raise UsageError(f"--config={given}: no such file or config; {advice}")


def summary_of(config: Path) -> str:
    """Returns the first line of a config's docstring, which says what the experiment is."""
    documented = ast.get_docstring(ast.parse(config.read_text(encoding="utf-8"))) or ""
    return documented.partition("\n")[0]


def offer_base() -> None:
    """Lets config files say `from configs.base import experiment`, wherever they and the package lie."""
    if "configs" not in sys.modules:
        module = ModuleType("configs")
        module.__path__ = [str(configs_folder())]
        sys.modules["configs"] = module
