"""Shares folders between the worker processes of one test run: the first that needs a folder fills it."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dynjax.files import lock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Returns the folder `name`, filled by `make`; the other workers wait for the first, and make it if that fails."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with lock(shared / f"{name}.lock"):
        folder, is_made = shared / name, shared / f"{name}.made"
        if not is_made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            is_made.touch()
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Returns the digest of every file, by its path, without lock files, which readers write, too."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
