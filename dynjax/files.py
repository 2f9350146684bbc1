"""Files that are either whole or absent, what they hold, and where generated ones are kept."""

import contextlib
import fcntl
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial-"  # begins the names of files that are being written


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


UMASK = _umask()  # once: it is read by changing it, which no two threads may do at a time


def cache_folder() -> Path:
    """$DYNJAX_CACHE, else dynjax/ under $XDG_CACHE_HOME or ~/.cache: phantoms, projections, compiled programs."""
    base = os.environ.get("DYNJAX_CACHE")
    if base:
        return Path(base).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "dynjax"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` with the same suffixes; renames it over `path` if the block succeeds.

    What a killed process left of such files in the folder is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    handle, temporary = _make_partial(path)
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~UMASK)  # mkstemp makes files private; a shared workdir must stay readable
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):  # a disk that is full, or a file that nobody has heard of
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _make_partial(path: Path) -> tuple[int, Path]:
    """A temporary file that is locked for as long as its writer lives, by which others know a leftover."""
    while True:
        handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix="".join(path.suffixes), dir=path.parent)
        with contextlib.suppress(OSError):  # where files cannot be locked nobody removes them
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.exists(name):  # and was not taken for a leftover before it was locked
            return handle, Path(name)
        os.close(handle)


@functools.cache
def _remove_leftovers(folder: Path) -> None:
    """Once a process and folder; files of living processes are locked."""
    for partial in folder.glob(f"{PARTIAL}*"):
        with contextlib.suppress(OSError), open(partial, "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink(missing_ok=True)


def can_be_written(path: Path) -> bool:
    """Whether `atomic_path` could make the file, and the folders above it that are missing."""
    nearest = next(parent for parent in path.absolute().parents if parent.exists())
    return not path.is_dir() and nearest.is_dir() and os.access(nearest, os.W_OK)


def write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Holds the lock file `path`; a killed process lets go of it.

    Raises: BlockingIOError, with the host and process that hold it as its text, if it is held and `wait` is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            raise BlockingIOError(file.read().strip() or "another process") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
