"""The command is started anew with glibc told to keep what is freed: once, as the same process, its arguments kept."""

import json
import os
import subprocess
import sys

import pytest

from tests.command import ROOT

PROGRAM = """\
import json, os, resource, sys
first = os.environ.setdefault("FIRST", str(os.getpid()))
from dynjax.memory import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b'x') * (64 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(json.dumps([sys.argv[1:], first == str(os.getpid()), os.environ["GLIBC_TUNABLES"], faults()]))
"""
pytestmark = pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="the C library is not glibc")


def run(*arguments, **environment):
    env = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"} | environment
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *arguments]
    return json.loads(subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True).stdout)


def test_memory_that_was_freed_is_there_again_without_asking_the_system():
    arguments, is_same_process, tunables, faults = run("--a=b c", "d")
    assert arguments == ["--a=b c", "d"] and is_same_process
    assert "glibc.malloc.mmap_max=0" in tunables
    assert faults < 100  # of 16384 pages


def test_what_the_user_has_set_stays():
    _, is_same_process, tunables, faults = run(GLIBC_TUNABLES="glibc.malloc.hugetlb=0")
    assert is_same_process and tunables == "glibc.malloc.hugetlb=0" and faults > 1000
