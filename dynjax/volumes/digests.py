"""Tells scans apart: by the bytes of their files or, sooner, by their files' paths, sizes and times."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dynjax.errors import InputError
from dynjax.volumes.parts import absent, parts_of

LARGEST_KEPT = 2**26  # bytes of a file that is kept in memory; compressed, a scan of 1 mm has 5 to 15 MB


class FileContent(NamedTuple):
    """The SHA-256 of a scan's bytes, and the bytes; None for a pair of files and for more than LARGEST_KEPT bytes."""

    digest: str
    bytes: bytes | None


def read_content(path: str | Path) -> FileContent:
    """Reads a scan's file once, for its digest and for `load_volume`. Raises: InputError as `content_digest`."""
    path = Path(path)
    if parts_of(path) == [path]:
        with _named(path, path), open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size <= LARGEST_KEPT:
                content = file.read()
                return FileContent(hashlib.sha256(content).hexdigest(), content)
    return FileContent(content_digest(path), None)


def content_digest(path: str | Path) -> str:
    """Returns the SHA-256 of a scan's bytes, of both files of an .img and .hdr pair.

    Raises: InputError if a file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for part in parts_of(Path(path)):
        with _named(Path(path), part), open(part, "rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Returns a SHA-256 that changes when a scan is moved or written: of its files' paths, sizes and change times.

    Raises: OSError if a file is missing.
    """
    states = [(str(part.absolute()), part.stat().st_size, part.stat().st_mtime_ns) for part in parts_of(path)]
    return hashlib.sha256(repr(states).encode()).hexdigest()


@contextlib.contextmanager
def _named(path: Path, part: Path) -> Iterator[None]:
    """Turns errors of reading a file of the scan `path` into an InputError that names it."""
    try:
        yield
    except FileNotFoundError:
        finding = absent(path, part).finding
        raise InputError(f"{path}: {finding.detail}; {finding.remedy}") from None
    except OSError as error:
        raise InputError(f"{part}: {error.strerror}") from None
