"""Calls a function in a process that may not take more memory than a refused scan is allowed."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

MEMORY = 2**28  # bytes, beyond what the process has once all is imported
ROOT = Path(__file__).parents[2]


def call(function: Callable, *arguments, timeout: float = 300):
    """function(*arguments), all of it JSON, of a module that can be imported; fails with what the process said."""
    code = (
        f"from {function.__module__} import {function.__name__} as f; from tests.volumes.bounded import main; main(f)"
    )
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


def main(function: Callable) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print(json.dumps(function(*json.loads(sys.argv[1]))))
