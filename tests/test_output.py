"""Files that are no files: --out through links, into pipes and devices; folders without a home, a cache or locks."""

import errno
import fcntl
import json
import os
import socket
import stat
import threading
import warnings

import pytest

from dynjax import files
from dynjax.errors import UsageError
from dynjax.files import append_text, cache_folder, check_output, expanded, lock, names_stream, optional, write_text


def test_a_link_stays_and_what_it_names_is_written(tmp_path):
    (tmp_path / "target.json").write_text("old")
    (tmp_path / "deep").mkdir()
    links = {"link.json": "target.json", "chain.json": "deep/link.json", "deep/link.json": "../target.json"}
    links["dangling.json"] = "deep/new.json"
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    for link in links:
        check_output(tmp_path / link, ".json")
        write_text(tmp_path / link, f"by {link}")
        assert (tmp_path / link).is_symlink() and (tmp_path / link).read_text() == f"by {link}"
    assert (tmp_path / "target.json").read_text() == "by deep/link.json"
    assert not (tmp_path / "deep" / "new.json").is_symlink()


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a.json").symlink_to("b.json")
    (tmp_path / "b.json").symlink_to("a.json")
    with pytest.raises(UsageError, match=r"a\.json: cannot be written: Too many levels of symbolic links"):
        check_output(tmp_path / "a.json", ".json")
    with pytest.raises(OSError, match="symbolic links"):
        write_text(tmp_path / "a.json", "")


def test_whoever_reads_a_pipe_gets_it_and_a_pipe_it_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_text()))
    with pytest.raises(UsageError, match="pipe: cannot be written: no process reads this pipe"):
        check_output(tmp_path / "pipe", ".json", "")
    reader.start()
    while reader.is_alive():
        try:
            check_output(tmp_path / "pipe", ".json", "")  # opens it: whoever reads waits from now on
            break
        except UsageError:  # the reader has not begun
            continue
    write_text(tmp_path / "pipe", "x" * 10**6)
    reader.join(60)
    assert got == ["x" * 10**6] and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_an_open_file_is_written_to_where_it_stands(tmp_path):
    """As /dev/stdout names one; here by a link of the same kind."""
    with open(tmp_path / "file", "w") as file:
        (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{file.fileno()}")
        file.write("before, ")
        file.flush()
        write_text(tmp_path / "stdout", "amidst")
        assert names_stream(tmp_path / "stdout") and not names_stream(tmp_path / "file")
        file.write(", after")
    assert (tmp_path / "file").read_text() == "before, amidst, after" and (tmp_path / "stdout").is_symlink()


@pytest.fixture
def device(tmp_path):
    """Makes a device of its own: none of this machine's is ever at risk."""

    def make(kind, minor):
        try:
            os.mknod(tmp_path / "device", kind | 0o600, os.makedev(1, minor))
            os.close(os.open(tmp_path / "device", os.O_WRONLY)) if kind == stat.S_IFCHR else None
        except PermissionError:
            pytest.skip("only root can make a device, and not on every file system")
        return tmp_path / "device"

    return make


def test_a_device_is_written_to_and_never_replaced(device):
    null = device(stat.S_IFCHR, 3)
    check_output(null, ".json", "")
    write_text(null, "nothing")
    assert stat.S_ISCHR(null.stat().st_mode)


def test_a_device_that_is_full_is_named(device):
    full = device(stat.S_IFCHR, 7)
    with pytest.raises(OSError, match="No space left") as error:
        write_text(full, "something")
    assert error.value.filename == str(full) and stat.S_ISCHR(full.stat().st_mode)


def test_a_disk_and_a_socket_are_refused(device, tmp_path):
    disk = device(stat.S_IFBLK, 0)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (disk, tmp_path / "socket"):
            with pytest.raises(UsageError, match="cannot be written: neither a file nor a pipe"):
                check_output(path, "")
            with pytest.raises(OSError, match="neither a file nor a pipe"):
                write_text(path, "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "a folder; name a .json file"),
        ("folder/a.csv", r"\.csv is not what is written; name a \.json file"),
        ("file/a.json", "file is no folder|Not a directory"),
        ("x" * 300 + ".json", "File name too long"),
    ],
)
def test_what_cannot_be_written_is_said_before_any_work(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"cannot be written: .*({said})"):
        check_output(tmp_path / name, ".json", "")
    check_output(tmp_path / "new" / "folder" / "A.JSON", ".json")
    assert not (tmp_path / "new").exists()


def test_a_name_that_is_not_utf8_is_written_as_an_escape(tmp_path):
    path = tmp_path / os.fsdecode(b"l\xe9gacy.csv")
    write_text(path, f"{path.name},é")
    assert path.read_text(encoding="utf-8") == "l\\udce9gacy.csv,é"


def test_an_error_names_the_file_that_the_user_knows(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="No space") as error:
        write_text(tmp_path / "a.json", "")
    assert error.value.filename == str(tmp_path / "a.json") and os.listdir(tmp_path) == []
    with pytest.raises(OSError) as error:
        append_text(tmp_path, "")
    assert error.value.filename == str(tmp_path)


@pytest.mark.parametrize("path", ["~nobodyhere/scans.csv", "~$scan.nii.gz", "~", "a/~", "plain"])
def test_a_home_that_is_not_there_leaves_a_path_as_it_is(path, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(expanded(path)) == (str(tmp_path) if path == "~" else path)


@pytest.fixture
def new_cache(monkeypatch):
    """As a new process would look for its cache."""
    files._writable_or_temporary.cache_clear()
    files.warn_of_cache.cache_clear()
    yield monkeypatch
    files._writable_or_temporary.cache_clear()
    files.warn_of_cache.cache_clear()


@pytest.mark.parametrize("why", ["a file", "no home", "within a file", "links in a circle"])
def test_without_a_cache_it_says_so_once_and_goes_on(new_cache, tmp_path, why):
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    place = {"a file": tmp_path / "file", "within a file": tmp_path / "file" / "x", "no home": "~nobodyhere/x"}
    new_cache.setenv("DYNJAX_CACHE", str(place.get(why, tmp_path / "circle")))
    with pytest.warns(UserWarning, match=r"no cache \(.*\), so the next command starts from nothing; set DYNJAX_CACHE"):
        folder = cache_folder()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache_folder() == folder and folder.is_dir()
    write_text(folder / "a" / "b.json", "{}")


def test_a_cache_that_fills_is_no_error_and_said_once(new_cache, tmp_path):
    new_cache.setenv("DYNJAX_CACHE", str(tmp_path))

    def fill(number):
        with optional():
            raise OSError(errno.ENOSPC, "No space left on device", f"{tmp_path}/{number}")

    with pytest.warns(UserWarning, match=r"cannot be written \(No space left on device\)") as said:
        for number in range(3):
            fill(number)
    assert len(said) == 1
    with pytest.raises(AssertionError), optional():
        raise AssertionError("a mistake of ours")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_and_the_way_round(number, tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UsageError, match=r"\.lock: the file system has no file locks .*choose a folder on another one"):
        lock(tmp_path / ".lock").__enter__()
    write_text(tmp_path / "a.json", json.dumps(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "a.json"]


def test_a_lock_on_a_full_disk_holds_unsigned(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(files.os, "write", fail)
        with lock(tmp_path / ".lock"), pytest.raises(BlockingIOError, match="another process"):
            lock(tmp_path / ".lock", wait=False).__enter__()
    with lock(tmp_path / ".lock"), pytest.raises(BlockingIOError, match=f"process {os.getpid()}"):
        lock(tmp_path / ".lock", wait=False).__enter__()
