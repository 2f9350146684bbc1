"""Writes files whole or not at all, locks and digests them, and locates the cache folder."""

import atexit
import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from dynjax.errors import UsageError

PARTIAL = ".partial-"  # prefix of files that are being written
LINKS = 40  # symbolic links that are followed one after the other, as many as Linux follows
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # what file systems without locks answer


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


UMASK = _umask()  # read once, at import: it can only be read by changing it, which is not thread-safe


def expanded(path: str | Path) -> Path:
    """Replaces a leading ~ or ~USER by that user's home; where there is no such home, the path stays as it is."""
    return Path(os.path.expanduser(path))


def is_utf8(path: Path) -> bool:
    """Tells whether a path is text, as some libraries need it; a name of an old share may be in Latin-1."""
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False


def cache_folder() -> Path:
    """Returns the folder of phantoms, projections and compiled programs.

    It is $DYNJAX_CACHE if that is set, otherwise dynjax/ under $XDG_CACHE_HOME or ~/.cache. If it cannot be written, it
    is a temporary folder, which this process removes at its end, and a warning says so.
    """
    base = os.environ.get("DYNJAX_CACHE")
    if base:
        return _writable_or_temporary(expanded(base))
    return _writable_or_temporary(expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "dynjax")


@functools.cache
def _writable_or_temporary(folder: Path) -> Path:
    has_home = not str(folder).startswith("~")
    reason = _why_no_folder(folder.absolute()) if has_home else "there is no home folder"
    if not reason:
        return folder.absolute()
    temporary = Path(tempfile.mkdtemp(prefix="dynjax-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    advice = "set DYNJAX_CACHE to a folder that can be written"
    warnings.warn(f"{folder}: no cache ({reason}), so the next command starts from nothing; {advice}", stacklevel=2)
    return temporary


def _why_no_folder(folder: Path) -> str:
    """Makes a folder; returns why that or writing into it is impossible, or ''."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return "" if os.access(folder, os.W_OK | os.X_OK) else "no permission to write there"


@contextlib.contextmanager
def optional() -> Iterator[None]:
    """Goes on if the block cannot write what is only kept for the next command, and warns of it once."""
    try:
        yield
    except OSError as error:
        warn_of_cache(error.strerror or str(error))


@functools.cache
def warn_of_cache(reason: str) -> None:
    """Warns, once for each reason, that the cache cannot be written."""
    warnings.warn(f"{cache_folder()}: cannot be written ({reason}), so the next command finds less there", stacklevel=2)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` with the same suffixes; renames it over `path` if the block succeeds.

    A symbolic link stays, and the file that it names is replaced. A pipe or device is written to, never replaced.
    Temporary files that killed processes left in the folder are removed first.
    """
    path = _followed(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path), _written_to(path) if _is_stream(path) else _replaced(path) as temporary:
        yield temporary


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    _remove_leftovers(path.parent)
    handle, temporary = _make_partial(path)
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~UMASK)  # mkstemp makes files private; a shared workdir must stay readable
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextlib.contextmanager
def _written_to(stream: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder, stream.name)
        yield temporary
        is_open = stream in _open_streams
        with open(_open_streams.pop(stream) if is_open else _open_stream(stream), "wb") as file:
            file.write(temporary.read_bytes())


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Puts the file that the user knows into errors that name none, or the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename is None or Path(os.fsdecode(error.filename)).name.startswith(PARTIAL):
            error.filename = str(path)
        raise


def _followed(path: Path) -> Path:
    """Returns the file that symbolic links lead to, except through /proc, where links stand for open files."""
    for _ in range(LINKS):
        if not path.is_symlink() or _is_open_file(path):
            return path
        path = path.parent / os.readlink(path)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _is_open_file(path: Path) -> bool:
    """Whether the path is an open file of this process, as /dev/stdout leads to one."""
    return os.path.realpath(path.parent) == f"/proc/{os.getpid()}/fd"


def names_stream(path: Path) -> bool:
    """Tells whether a path leads to a pipe, a device or an open file, beside which nothing else can be written."""
    return _is_stream(_followed(path.absolute()))


def _is_stream(path: Path) -> bool:
    """Whether a file cannot be replaced, only written to: a pipe, a device or an open file."""
    return os.path.exists(path) and (_is_open_file(path) or not (path.is_file() or path.is_dir()))


_open_streams: dict[Path, int] = {}  # since the command began, so that whoever reads them waits


def _open_stream(path: Path) -> int:
    """Opens a pipe or device. Raises: OSError for a pipe that nobody reads, for a disk, and for a socket."""
    if _is_open_file(path):
        return os.dup(int(path.name))
    if not (path.is_fifo() or path.is_char_device()):
        raise OSError(errno.EINVAL, "neither a file nor a pipe", str(path))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        reason = "no process reads this pipe" if error.errno == errno.ENXIO else error.strerror
        raise OSError(error.errno, reason, str(path)) from None
    os.set_blocking(descriptor, True)
    return descriptor


def _make_partial(path: Path) -> tuple[int, Path]:
    """Creates a temporary file and locks it while its writer lives: an unlocked one is a killed process's leftover."""
    while True:
        handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix="".join(path.suffixes[-2:]), dir=path.parent)
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


def check_output(out: Path | None, *suffixes: str) -> None:
    """Checks before any work that the file of --out, if there is one, can be written.

    Args: suffixes, those that the file may end in; '' allows one without.
    Raises: UsageError that says what is wrong with it.
    """
    kinds = " or ".join(filter(None, suffixes))
    if out is not None and (reason := _why_no_file(out) or _why_not_so(out, suffixes)):
        raise UsageError(f"--out={out}: cannot be written: {reason}; name a {kinds} file in a folder that can")


def _why_not_so(out: Path, suffixes: tuple[str, ...]) -> str:
    return "" if out.suffix.lower() in suffixes else f"{out.suffix or 'no suffix'} is not what is written"


def can_be_written(path: Path) -> bool:
    """Tells whether `atomic_path` could create the file and its missing parent folders."""
    return not _why_no_file(path)


def _why_no_file(path: Path) -> str:
    """Returns why a file cannot be written, or ''. A pipe or device is opened, and stays so until it is written to."""
    try:
        path = _followed(path.absolute())
        if _is_stream(path):
            _open_streams[path] = _open_stream(path)
            return ""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(path)  # such as a name that is too long
    except OSError as error:
        return error.strerror or str(error)
    nearest = next(parent for parent in path.parents if os.path.exists(parent))
    if path.is_dir():
        return "a folder"
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    return "" if os.access(nearest, os.W_OK | os.X_OK) else f"no permission to write into {nearest}"


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all; what is not UTF-8 in a file's name is written as an escape."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def append_text(path: Path, text: str) -> None:
    """Appends to a text file in UTF-8."""
    with _named(path), open(path, "a", encoding="utf-8") as file:
        file.write(text)


@contextlib.contextmanager
def lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Holds the lock file `path` while the block runs; the system releases it if the process is killed.

    Raises: BlockingIOError if another process holds the lock and `wait` is False; its text names that process.
    UsageError on a file system that has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            raise BlockingIOError(file.read().strip() or "another process") from None
        except OSError as error:
            if error.errno in NO_LOCKS:
                raise UsageError(f"{path}: {_without_locks(error)}") from None
            raise
        _sign(file.fileno())
        yield


def _without_locks(error: OSError) -> str:
    remedy = "choose a folder on another one, or have this one mounted with locks (Lustre: -o flock)"
    return f"the file system has no file locks ({error.strerror}), which keep two processes apart; {remedy}"


def _sign(descriptor: int) -> None:
    """Writes into a lock file which process holds it; on a full disk it stays unsigned."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {os.uname().nodename}".encode())


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
