"""Makes the process keep the memory that it frees, because a training step soon needs as much again."""

import os
import sys

# glibc reads these when a process starts: use huge pages where Linux offers them, allocate everything on the heap, and
# return none of the heap's free memory to the system below 4 GiB.
TUNABLES = {"hugetlb": "1", "mmap_max": "0", "trim_threshold": str(2**32)}


def keep_freed_memory() -> None:
    """Restarts the command in the same process with glibc set to keep freed memory; returns if it is set already.

    XLA allocates a program's memory anew for each run, hundreds of MB on a CPU. By default glibc returns it to the
    system in between and gets it back in cleared pages of 4 KiB, which takes a tenth of a step's time. Nothing is done
    if GLIBC_TUNABLES is set or the C library is not glibc.
    """
    if "CS_GNU_LIBC_VERSION" in os.confstr_names and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = ":".join(f"glibc.malloc.{name}={value}" for name, value in TUNABLES.items())
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
