"""Files of one array, each with a digest at its end, by which a damaged file is known when it is read."""

import contextlib
import hashlib
import io
from pathlib import Path

import numpy as np

from dynjax.files import atomic_path, optional

DIGEST = hashlib.sha256().digest_size  # bytes


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
            array = np.load(file, allow_pickle=False)
            end, stored = file.tell(), file.read(DIGEST + 1)
            file.seek(0)
            digest = hashlib.sha256(file.read(end - array.nbytes))  # what describes the array, and then the array
    except (OSError, ValueError, EOFError):
        return None
    digest.update(array.ravel("K").data)
    return array if digest.digest() == stored else None
