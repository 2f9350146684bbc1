"""What becomes of memory that is given back: a process that trains wants as much again within a second."""

import os
import sys

# glibc's, which it reads at the start of a process: huge pages where Linux has them to give, all of it from the heap,
# and of the heap nothing back to the system, up to 4 GiB.
TUNABLES = {"hugetlb": "1", "mmap_max": "0", "trim_threshold": str(2**32)}


def keep_freed_memory() -> None:
    """Starts the command anew, as the same process, so that glibc keeps what is freed; returns if it does so already.

    XLA asks for the memory of a program each time that it is run, on a CPU hundreds of MB. By default glibc has the
    system take it back in between and give it again, cleared, page after page of 4 KiB: a tenth of the time of a step.
    Where GLIBC_TUNABLES is set, or the C library is another one, nothing is done.
    """
    if "CS_GNU_LIBC_VERSION" in os.confstr_names and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = ":".join(f"glibc.malloc.{name}={value}" for name, value in TUNABLES.items())
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
