"""Knows which files make up a scan, and says in words what else is there in the place of one."""

import os
import re
import stat
from pathlib import Path

from dynjax.volumes.finding import RefusedVolume

PAIR = re.compile(r"(.+\.)(img|hdr)(\.gz)?", re.IGNORECASE)
START = 512  # bytes by which a file is recognised
SHOWN = 40  # characters of a text that are shown

# What a file begins with that is no scan: offset, bytes, kind of problem, words.
KINDS = (
    (0, b"version https://git-lfs", "Git LFS", "it is a pointer of Git LFS, whose content was not fetched"),
    (0, b"/annex/objects/", "not fetched", "it is a pointer of git-annex, whose content was not fetched"),
    (0, b"\x1f\x8b", "compressed twice", "it is compressed twice"),
    (0, b"PK\x03\x04", "archive", "it is a zip archive"),
    (0, b"BZh", "archive", "it is compressed by bzip2"),
    (0, b"\xfd7zXZ", "archive", "it is compressed by xz"),
    (257, b"ustar", "archive", "it is a tar archive"),
    (128, b"DICM", "DICOM", "it is a DICOM file"),
)


def parts_of(path: Path) -> list[Path]:
    """Returns the files of a scan, the one with the voxels last: .hdr and .img of a pair, compressed or not."""
    matched = PAIR.fullmatch(path.name)
    if matched is None:
        return [path]
    _, suffix, zipped = matched.groups(default="")
    other = {"img": "hdr", "hdr": "img"}[suffix.lower()]
    same = sibling(path, other)
    beside = [same, same.with_suffix("") if zipped else same.with_name(same.name + ".gz")]
    partner = next((part for part in beside if os.path.exists(part)), same)
    return [partner, path] if other == "hdr" else [path, partner]


def sibling(path: Path, suffix: str) -> Path:
    """Returns the path of a file beside one of a pair, 'a.mat' beside 'a.img', as compressed and capital as that."""
    name, zipped = (path.stem, path.suffix) if path.suffix.lower() == ".gz" else (path.name, "")
    stem, _, own = name.rpartition(".")
    return path.with_name(f"{stem}.{suffix.upper() if own.isupper() else suffix}{zipped}")


def size_of(part: Path) -> int:
    """Returns a file's size in bytes. Raises: RefusedVolume if it is no regular file; OSError if it cannot be found."""
    state = part.stat()
    if stat.S_ISDIR(state.st_mode):
        raise RefusedVolume("folder", "it is a folder, not a regular file")
    if not stat.S_ISREG(state.st_mode):
        raise RefusedVolume("unreadable", "it is not a regular file")
    return state.st_size


def absent(path: Path, part: Path) -> RefusedVolume:
    """Says why a file of the scan `path` is not there: there is none, or a link leads nowhere."""
    name = "" if part == path else f": {part}"
    target = os.readlink(part) if part.is_symlink() else ""
    if "annex/objects/" in target:
        return RefusedVolume("not fetched", f"its content was not fetched: it is a link of git-annex{name}")
    if target:
        return RefusedVolume("missing", f"no such file: it is a link to {target}, which is not there{name}")
    return RefusedVolume("missing", f"no such file{name}")


def unlike(start: bytes, expected: str) -> RefusedVolume:
    """Says what a file is that begins with `start` and has no header of the expected format."""
    kind, words = _recognise(start)
    return RefusedVolume(kind, f"it has no {expected} header" + (words and f": {words}"))


def check_fetched(start: bytes) -> None:
    """Checks that voxels without a header of their own are no pointer to content elsewhere. Raises: RefusedVolume."""
    kind, words = _recognise(start)
    if kind in ("Git LFS", "not fetched"):
        raise RefusedVolume(kind, words)


def _recognise(start: bytes) -> tuple[str, str]:
    if not start:
        return "empty", "it is empty"
    for offset, mark, kind, words in KINDS:
        if start[offset : offset + len(mark)] == mark:
            return kind, words
    text = _as_text(start)
    if text.startswith("<"):
        return "web page", f"it is a web page or another answer of a server, {text!r}"
    return "not an image", text and f"it is text, {text!r}"


def _as_text(start: bytes) -> str:
    """Returns the first characters if they are text, '' otherwise."""
    text = start.decode("utf-8", errors="replace").strip("\ufeff \r\n\t").partition("\n")[0].strip()[:SHOWN]
    return text if text.isprintable() and "\ufffd" not in text else ""
