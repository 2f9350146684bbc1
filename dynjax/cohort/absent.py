"""Says why a file or folder that a table names cannot be opened, without opening it."""

import os
import re
import stat
from pathlib import Path

from dynjax.volumes.finding import Finding

ANNEX = re.compile(r"(?:^|/)\.git/annex/objects/")  # where links of git-annex point


def why_absent(path: str | os.PathLike[str]) -> Finding | None:
    """Returns why `path` is not a file that can be opened, or None if it is one."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return _missing(Path(path))
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL byte
        return Finding("unreadable", f"cannot be read ({getattr(error, 'strerror', None) or error})")
    if stat.S_ISDIR(mode):
        return Finding("unreadable", "a folder, not a file")
    if not stat.S_ISREG(mode):
        return Finding("unreadable", "not a regular file")
    if not os.access(path, os.R_OK):
        return Finding("unreadable", "cannot be read (Permission denied)")
    return None


def _missing(path: Path) -> Finding:
    for name in (path, *path.parents):  # the file itself, or a folder above it, may be the link
        if os.path.islink(name) and not os.path.exists(name):
            target = os.readlink(name)
            if ANNEX.search(target):
                return Finding("not fetched", "a git-annex link whose content is not on this machine")
            return Finding("missing", f"no such file: {name.name} links to {target}, which does not exist")
    return Finding("missing", "no such file")
