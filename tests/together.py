"""What the workers of one test run share, each of which is a process: a folder that the first to need it fills."""

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
    """The digest of every file, by its path; lock files, which are written by those who only look, are left out."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
