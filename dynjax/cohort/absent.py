"""Says why a file that a table names, or a table, cannot be opened, without opening it."""

import os
from pathlib import Path

from dynjax.volumes.finding import Finding, RefusedVolume
from dynjax.volumes.parts import absent, size_of


def why_absent(path: Path) -> Finding | None:
    """Returns why `path` is not a file that can be opened, or None if it is one."""
    try:
        size_of(path)
    except RefusedVolume as refused:
        return refused.finding
    except FileNotFoundError:
        links = (part for part in (path, *path.parents) if part.is_symlink() and not os.path.exists(part))
        return absent(path, next(links, path)).finding  # a folder above it may be the link
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL byte
        return Finding("unreadable", f"it cannot be read ({getattr(error, 'strerror', None) or error})")
    return None if os.access(path, os.R_OK) else Finding("unreadable", "it cannot be read (Permission denied)")
