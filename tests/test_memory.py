"""How much memory a job may use; and the command is started anew with glibc told to keep what is freed: once."""

import json
import os
import resource
import subprocess
import sys

import pytest

from dynjax.memory import usable_memory
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
glibc = pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="the C library is not glibc")
MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
V1, V2 = "memory.limit_in_bytes", "memory.max"


def run(*arguments, **environment):
    env = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"} | environment
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *arguments]
    return json.loads(subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True).stdout)


@glibc
def test_memory_that_was_freed_is_there_again_without_asking_the_system():
    arguments, is_same_process, tunables, faults = run("--a=b c", "d")
    assert arguments == ["--a=b c", "d"] and is_same_process
    assert "glibc.malloc.mmap_max=0" in tunables
    assert faults < 100  # of 16384 pages


@glibc
def test_what_the_user_has_set_stays():
    _, is_same_process, tunables, faults = run(GLIBC_TUNABLES="glibc.malloc.hugetlb=0")
    assert is_same_process and tunables == "glibc.malloc.hugetlb=0" and faults > 1000


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/", {}, MACHINE, id="no limit"),
        pytest.param("0::/", {f"cgroup/{V2}": "max"}, MACHINE, id="version 2, a limit of none"),
        pytest.param("0::/job/step", {f"cgroup/job/step/{V2}": "max", f"cgroup/job/{V2}": "4096"}, 4096, id="above"),
        pytest.param("0::/job/step", {f"cgroup/job/step/{V2}": "512", f"cgroup/job/{V2}": "4096"}, 512, id="tightest"),
        pytest.param(
            "0::/elsewhere/x", {f"cgroup/{V2}": "4096"}, 4096, id="a container that sees no group but its own"
        ),
        pytest.param("0::/other", {f"cgroup/job/{V2}": "4096"}, MACHINE, id="another job's"),
        pytest.param("0::/", {f"cgroup/{V2}": "9223372036854771712"}, MACHINE, id="more than the machine has"),
        pytest.param(
            "9:cpu,cpuacct:/cpu\n4:memory:/slurm/uid_0/job_7\n0::/",
            {f"cgroup/memory/slurm/uid_0/{V1}": "9223372036854771712", f"cgroup/memory/slurm/uid_0/job_7/{V1}": "8192"},
            8192,
            id="version 1, as Slurm makes it",
        ),
        pytest.param("4:memory:/docker/0123", {f"cgroup/memory/{V1}": "8192"}, 8192, id="version 1 in a container"),
        pytest.param("4:memory:/a", {f"cgroup/memory/a/{V1}": "garbage"}, MACHINE, id="garbage"),
    ],
)
def test_the_tightest_limit_of_a_job_counts(groups, files, expected, tmp_path):
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/{name}": text for name, text in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert usable_memory(tmp_path) == expected


def test_a_limit_of_the_shell_counts_and_a_system_without_groups_has_none(tmp_path, monkeypatch):
    assert usable_memory(tmp_path) == MACHINE
    monkeypatch.setattr(resource, "getrlimit", lambda what: (4096, 8192))
    assert usable_memory(tmp_path) == 4096
