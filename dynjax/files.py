"""Writes files whole or not at all, locks and digests them, and locates the cache folder."""

import contextlib
import fcntl
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial-"  # prefix of files that are being written


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


UMASK = _umask()  # read once, at import: it can only be read by changing it, which is not thread-safe


def cache_folder() -> Path:
    """Returns the folder of phantoms, projections and compiled programs.

    It is $DYNJAX_CACHE if that is set, otherwise dynjax/ under $XDG_CACHE_HOME or ~/.cache.
    """
    base = os.environ.get("DYNJAX_CACHE")
    if base:
        return Path(base).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "dynjax"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` with the same suffixes; renames it over `path` if the block succeeds.

    Temporary files that killed processes left in the folder are removed first.
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
        if error.filename in (None, str(temporary)):  # name the file that the user knows, not the temporary one
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _make_partial(path: Path) -> tuple[int, Path]:
    """Creates a temporary file and locks it while its writer lives: an unlocked one is a killed process's leftover."""
    while True:
        handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix="".join(path.suffixes), dir=path.parent)
        with contextlib.suppress(OSError):  # without file locks leftovers are never removed
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.exists(name):  # else another process removed it as a leftover before it was locked
            return handle, Path(name)
        os.close(handle)


@functools.cache
def _remove_leftovers(folder: Path) -> None:
    """Removes killed processes' temporary files, once per process and folder; living processes lock theirs."""
    for partial in folder.glob(f"{PARTIAL}*"):
        with contextlib.suppress(OSError), open(partial, "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink(missing_ok=True)


def can_be_written(path: Path) -> bool:
    """Tells whether `atomic_path` could create the file and its missing parent folders."""
    nearest = next(parent for parent in path.absolute().parents if parent.exists())
    return not path.is_dir() and nearest.is_dir() and os.access(nearest, os.W_OK)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Holds the lock file `path` while the block runs; the system releases it if the process is killed.

    Raises: BlockingIOError if another process holds the lock and `wait` is False; its text names that process.
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
    """Returns the SHA-256 of a file's content in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
