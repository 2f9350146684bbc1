"""Finds the configs that come with dynjax by their names, in a checkout and where the package is installed."""

import ast
import contextlib
import difflib
import functools
import importlib.util
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from dynjax.errors import UsageError
from dynjax.files import expanded

PACKAGE = Path(__file__).parent
FOLDER, BASE = "configs", "base"  # BASE is what config files import, and no config itself
BASE_MODULE = f"{FOLDER}.{BASE}"
_OFFERING = threading.RLock()  # of threads that load configs, one at a time changes sys.modules


def configs_folder() -> Path:
    """Returns the folder of configs: within an installed package, beside the package in a checkout."""
    installed = PACKAGE / FOLDER
    return installed if installed.is_dir() else PACKAGE.parent / FOLDER


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


@functools.cache
def base() -> ModuleType:
    """Returns the module configs.base, of which all configs are changes; it is not imported as any other is."""
    spec = importlib.util.spec_from_file_location(BASE_MODULE, configs_folder() / f"{BASE}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def base_offered() -> Iterator[None]:
    """Lets config files say `from configs.base import experiment` in the block, wherever they and the package lie.

    Afterwards that name is what it was before. A package `configs` of the user's own is never touched.
    """
    with _OFFERING:
        known = {name: module for name, module in sys.modules.items() if _is_within(name)}
        stands_in = FOLDER not in known and importlib.util.find_spec(FOLDER) is None
        if stands_in:
            sys.modules[FOLDER] = ModuleType(FOLDER)
            sys.modules[FOLDER].__path__ = [str(configs_folder())]
        sys.modules[BASE_MODULE] = base()
        try:
            yield
        finally:
            for name in [name for name in sys.modules if _is_within(name) and (stands_in or name == BASE_MODULE)]:
                del sys.modules[name]
            sys.modules.update(known)


def _is_within(name: str) -> bool:
    return name.partition(".")[0] == FOLDER
