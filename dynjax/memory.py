"""Tells how much memory a process may use, and makes it keep what it frees, for a training step soon needs it again."""

import contextlib
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

# glibc reads these when a process starts: use huge pages where Linux offers them, allocate everything on the heap, and
# return none of the heap's free memory to the system below 4 GiB.
TUNABLES = {"hugetlb": "1", "mmap_max": "0", "trim_threshold": str(2**32)}
GROUPS = (  # where the two versions of control groups are mounted, how /proc names each, and the file of a limit
    ("sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes"),
    ("sys/fs/cgroup", "", "memory.max"),
)


def keep_freed_memory() -> None:
    """Restarts the command in the same process with glibc set to keep freed memory; returns if it is set already.

    XLA allocates a program's memory anew for each run, hundreds of MB on a CPU. By default glibc returns it to the
    system in between and gets it back in cleared pages of 4 KiB, which takes a tenth of a step's time. Nothing is done
    if GLIBC_TUNABLES is set or the C library is not glibc.
    """
    if "CS_GNU_LIBC_VERSION" in os.confstr_names and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = ":".join(f"glibc.malloc.{name}={value}" for name, value in TUNABLES.items())
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def usable_memory(root: Path = Path("/")) -> int:
    """Returns the bytes that this process may use: the machine's, or fewer if a limit of its job is lower.

    A scheduler or a container limits memory by control groups, of which the tightest along the path counts, or by
    `ulimit -v`. Args: root, where /proc and /sys lie.
    """
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits(root), *([own] if own != resource.RLIM_INFINITY else [])])


def _limits(root: Path) -> Iterator[int]:
    """Yields the limits of this process's control groups; none where the system has none."""
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for mount, controller, file in GROUPS:
                if controller in controllers.split(","):
                    yield from _limits_along(root / mount, path.strip("/"), file)


def _limits_along(mount: Path, path: str, file: str) -> Iterator[int]:
    """Yields the limits of a group and of all above it; within a container, only the uppermost may be there."""
    for group in (mount / path, *(mount / path).parents):
        with contextlib.suppress(OSError, ValueError):  # no such group, or 'max'
            yield int((group / file).read_text())
        if group == mount:
            return
