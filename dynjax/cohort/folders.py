"""Lists files by pattern, and tells which folders cannot be read: pathlib's glob passes over them."""

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from dynjax.errors import InputError


def expand(folder: Path, pattern: str, unreadable: dict[Path, str]) -> Iterator[Path]:
    """Yields what matches a pattern such as 'sub-*/anat/*_T1w.nii*', sorted by name; links may lead nowhere.

    Args:
      unreadable: gets the reason why a folder cannot be read, by folder.
    """
    first, _, rest = pattern.partition("/")
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        unreadable[folder] = error.strerror or str(error)
        return
    for name in fnmatch.filter(names, first):
        if rest:
            yield from expand(folder / name, rest, unreadable)
        else:
            yield folder / name


def check_readable(folder: Path) -> None:
    """Raises InputError for a folder that cannot be listed."""
    try:
        os.listdir(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: this folder cannot be read ({error.strerror}); give permission to read it"
        ) from None
