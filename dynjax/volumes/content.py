"""Reads the bytes of a scan file in bounded memory, decompresses them and checks their checksums.

igzip (the package `isal`) decompresses in about half of zlib's time. What it cannot decompress is read once more by
zlib, so that a scan is refused for the reasons, and in the words, of zlib. igzip alone reads some streams that declare
codes which nothing uses; their content has passed the same checksums.
"""

import contextlib
import zlib
from collections.abc import Iterator
from types import ModuleType
from typing import BinaryIO

from dynjax.volumes.finding import RefusedVolume

igzip: ModuleType = zlib
with contextlib.suppress(ImportError):  # there are processors without it
    from isal import isal_zlib

    igzip = isal_zlib

GZIP = b"\x1f\x8b"
FLAGS, RESERVED = 3, 0xE0  # where a member's flags stand, and those of them that zlib refuses and igzip does not
PIECE = 2**18  # bytes decompressed at a time: fits a processor's cache
READ = 2**14  # compressed bytes read at a time: few, because zlib copies the rest at the end of every member
MOST_MEMBERS = 2**16  # in a gzip file; bgzip writes a member for every 64 KiB


class Content:
    """Reads an open binary file of `size` bytes from its start, and decompresses it if it begins as gzip.

    The CRC and length of every gzip member are checked at its end. `trailing` is the number of bytes after the last
    member; it is set once everything has been read.
    """

    def __init__(self, file: BinaryIO, size: int):
        self._file, self._size, self.trailing = file, size, 0
        self.compressed = file.read(2) == GZIP
        file.seek(0)
        self._pieces = self._as_zlib_does() if self.compressed else iter(lambda: file.read(PIECE), b"")
        self._left = memoryview(b"")

    def read(self, count: int) -> bytes:
        """Returns the next `count` bytes, fewer at the end. Raises: RefusedVolume if the gzip stream is damaged."""
        parts = []
        while count:
            piece = self._left or memoryview(next(self._pieces, b""))
            if not piece:
                break
            parts.append(piece[:count])
            self._left = piece[count:]
            count -= len(parts[-1])
        return b"".join(parts)

    def peek(self, count: int) -> bytes:
        """Returns what the next `read(count)` returns, without moving on."""
        data = self.read(count)
        self._left = memoryview(data + self._left)
        return data

    def skip(self, limit: int) -> int:
        """Reads to the end, or until more than `limit` bytes are read, and returns the number of bytes."""
        count = 0
        while count <= limit:
            piece = self.read(PIECE)
            if not piece:
                break
            count += len(piece)
        return count

    def _as_zlib_does(self) -> Iterator[bytes]:
        """Yields what igzip decompresses; from where it fails, what zlib makes of the file."""
        done, refusals = 0, (igzip.error, RefusedVolume)
        try:
            for piece in self._decompressed(igzip):
                done += len(piece)
                yield piece
            return
        except refusals:
            self._file.seek(0)
        for piece in self._decompressed(zlib):
            if done < len(piece):
                yield piece[done:]
            done = max(done - len(piece), 0)

    def _decompressed(self, library: ModuleType) -> Iterator[bytes]:
        data = b""
        for _ in range(MOST_MEMBERS):
            data = data or self._file.read(READ)
            if library is not zlib and data[FLAGS:] and data[FLAGS] & RESERVED:
                raise library.error
            member = library.decompressobj(wbits=31)  # 15 for the window, 16 for gzip
            while not member.eof:
                data = data or self._file.read(READ)
                piece = _decompress(member, data)
                if not (data or piece or member.eof):
                    raise RefusedVolume("truncated", "truncated: its gzip stream ends before its checksum")
                data = member.unconsumed_tail  # input beyond the PIECE bytes of output
                if piece:
                    yield piece
            data = member.unused_data
            if len(data) <= FLAGS:  # too few to tell whether another member begins, and how
                data += self._file.read(READ)
            if not data.startswith(GZIP):
                self.trailing = len(data) + self._size - self._file.tell()
                return
        raise RefusedVolume("damaged", f"damaged: its gzip stream has more than {MOST_MEMBERS} members")


def _decompress(member, data: bytes) -> bytes:
    try:
        return member.decompress(data, PIECE)
    except zlib.error as error:
        if "incorrect data check" in str(error):
            reason = "its content does not match its gzip CRC"
        elif "incorrect length check" in str(error):
            reason = "its content does not match its gzip length"
        else:
            reason = f"its gzip stream is broken ({error})"
        raise RefusedVolume("damaged", f"damaged: {reason}") from None
