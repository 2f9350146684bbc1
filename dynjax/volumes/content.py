"""The bytes of a scan file, decompressed and their checksums checked, never more at a time than asked for."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from dynjax.volumes.finding import RefusedVolume

GZIP = b"\x1f\x8b"
PIECE = 2**18  # bytes, decompressed at a time: within a processor's cache
READ = 2**14  # compressed ones, read at a time: where a member ends, and there may be many, zlib copies what is left
MOST_MEMBERS = 2**16  # of one gzip file; bgzip makes one of every 64 KiB


class Content:
    """Reads an open binary file of `size` bytes from its start; what begins as gzip is decompressed on the way.

    Every gzip member's CRC and length are checked once its end is reached. `trailing` counts the bytes after the last
    member that are no further member, and is known once everything has been read.
    """

    def __init__(self, file: BinaryIO, size: int):
        self._file, self._size, self.trailing = file, size, 0
        self.compressed = file.read(2) == GZIP
        file.seek(0)
        self._pieces = self._decompressed() if self.compressed else iter(lambda: file.read(PIECE), b"")
        self._left = memoryview(b"")

    def read(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end. Raises: RefusedVolume where the gzip stream is damaged or cut."""
        parts = []
        while count:
            piece = self._left or memoryview(next(self._pieces, b""))
            if not piece:
                break
            parts.append(piece[:count])
            self._left = piece[count:]
            count -= len(parts[-1])
        return b"".join(parts)

    def skip(self, limit: int) -> int:
        """Reads on to the end, or until more than `limit` bytes are read, and returns their number."""
        count = 0
        while count <= limit and (piece := self.read(PIECE)):
            count += len(piece)
        return count

    def _decompressed(self) -> Iterator[bytes]:
        data = b""
        for _ in range(MOST_MEMBERS):
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                data = data or self._file.read(READ)
                piece = _decompress(member, data)
                if not (data or piece or member.eof):
                    raise RefusedVolume("truncated", "truncated: its gzip stream ends before its checksum")
                data = member.unconsumed_tail
                if piece:
                    yield piece
            data = member.unused_data
            if len(data) < 2:
                data += self._file.read(READ)
            if not data.startswith(GZIP):
                self.trailing = len(data) + self._size - self._file.tell()
                return
        raise RefusedVolume("damaged", f"damaged: its gzip stream has more than {MOST_MEMBERS} members")


def _decompress(member, data: bytes) -> bytes:
    try:
        return member.decompress(data, PIECE)
    except zlib.error as error:
        checks = {"incorrect data check": "CRC", "incorrect length check": "length"}
        check = next((name for text, name in checks.items() if text in str(error)), None)
        reason = f"its content does not match its gzip {check}" if check else f"its gzip stream is broken ({error})"
        raise RefusedVolume("damaged", f"damaged: {reason}") from None
