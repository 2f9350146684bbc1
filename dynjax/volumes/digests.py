"""Tells scans apart: by the bytes of their files or, sooner, by their files' paths, sizes and times."""

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.parts import absent, parts_of, size_of

LARGEST_KEPT = 2**26  # bytes of a file that is kept in memory; compressed, a scan of 1 mm has 5 to 15 MB


class FileContent(NamedTuple):
    """The SHA-256 of a scan's bytes, and the bytes; None for a pair of files and for more than LARGEST_KEPT bytes."""

    digest: str
    bytes: bytes | None


def read_content(path: str | Path) -> FileContent:
    """Reads a scan's file once, for its digest and for `load_volume`. Raises: InputError as `content_digest`."""
    path = Path(path)
    if parts_of(path) == [path]:
        with _opened(path, path) as file:
            if os.fstat(file.fileno()).st_size <= LARGEST_KEPT:
                content = file.read()
                return FileContent(hashlib.sha256(content).hexdigest(), content)
    return FileContent(content_digest(path), None)


def content_digest(path: str | Path) -> str:
    """Returns the SHA-256 of a scan's bytes, of both files of an .img and .hdr pair.

    Raises: InputError if a file is missing, is no regular one or cannot be read.
    """
    digest = hashlib.sha256()
    for part in parts_of(Path(path)):
        with _opened(Path(path), part) as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Returns a SHA-256 that changes when a scan is moved or written: of its files' paths, sizes and change times.

    Raises: OSError if a file is missing.
    """
    states = [(str(part.absolute()), part.stat().st_size, part.stat().st_mtime_ns) for part in parts_of(path)]
    return hashlib.sha256(repr(states).encode()).hexdigest()


@contextlib.contextmanager
def _opened(path: Path, part: Path) -> Iterator[io.BufferedReader]:
    """Opens a file of the scan `path`, but no folder or pipe; errors of reading become an InputError that names it."""
    try:
        size_of(part)
        with open(part, "rb") as file:
            yield file
    except RefusedVolume as refused:
        raise refused.error(path) from None
    except FileNotFoundError:
        raise absent(path, part).error(path) from None
    except OSError as error:
        raise RefusedVolume("unreadable", f"it cannot be read: {error.strerror}").error(path) from None
