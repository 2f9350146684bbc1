"""Files of one array, each with a digest at its end, by which a damaged file is known when it is read.

They are .npy files but for the digest. `np.load` is not used: it has Python parse the header, and threads that parse at
the same time can fail in CPython 3.11 (SystemError: AST constructor recursion depth mismatch).
"""

import contextlib
import hashlib
import io
import re
from pathlib import Path

import numpy as np

from dynjax.files import atomic_path, optional

DIGEST = hashlib.sha256().digest_size  # bytes
START = 10  # bytes before the header: a magic text, the version, the header's length
HEADER = re.compile(rb"\{'descr': '([<>|=]\w+)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \}\s*")


def write_array(path: Path, array: np.ndarray, is_optional: bool = False) -> None:
    """Writes an array; with `is_optional`, a cache that cannot be written is no error."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    content = buffer.getvalue()
    with optional() if is_optional else contextlib.nullcontext(), atomic_path(path) as temporary:
        temporary.write_bytes(content + hashlib.sha256(content).digest())  # unlike np.save, it fails on a full disk


def read_array(path: Path) -> np.ndarray | None:
    """Reads what `write_array` wrote; returns None if the file is missing or damaged."""
    try:
        with open(path, "rb") as file:
            content = bytearray(path.stat().st_size)  # not bytes, so that the array can be written to
            length = file.readinto(content)
    except OSError:
        return None
    end, view = length - DIGEST, memoryview(content)
    if length != len(content) or end < START or hashlib.sha256(view[:end]).digest() != view[end:]:
        return None
    return _array(view[:end])


def _array(content: memoryview) -> np.ndarray | None:
    """Returns the array of a .npy file of version 1, without a copy; None for another file."""
    begin = START + int.from_bytes(content[START - 2 : START], "little")
    found = HEADER.fullmatch(content[START:begin])
    if not found:
        return None
    shape = tuple(int(size) for size in found[3].decode().split(",") if size.strip())
    values = np.frombuffer(content[begin:], np.dtype(found[1].decode()))
    return values.reshape(shape, order="F" if found[2] == b"True" else "C")
