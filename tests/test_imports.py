"""Commands import what is slow to import only if they use it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALWAYS_LATE = {"distributed", "grain", "matplotlib", "nilearn", "scipy.optimize", "scipy.stats", "sklearn"}
NUMERICAL = {"flax", "jax", "nibabel", "numpy", "optax", "orbax", "scipy"}

# What a command does not import: for one that ends at once, or by importing the verb.
COMMANDS = {
    "--help": ALWAYS_LATE | NUMERICAL | {"jinja2", "rich"},
    "help predict": ALWAYS_LATE | NUMERICAL | {"jinja2", "rich"},
    "configs": ALWAYS_LATE | NUMERICAL,
    "show --config=best": ALWAYS_LATE | {"orbax"},
    "compare nowhere nowhere": ALWAYS_LATE | {"orbax"},
}
VERBS = {
    "check": ALWAYS_LATE | {"orbax"},
    "evaluate": ALWAYS_LATE,
    "predict": ALWAYS_LATE,
}
RUN = """
import runpy, sys
sys.argv = ["main.py", *sys.argv[1:]]
try:
    runpy.run_path("main.py", run_name="__main__")
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


def modules(code: str, *arguments: str) -> set[str]:
    """Returns what a new Python has imported once it has run the code, which prints that last."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, env={"GLIBC_TUNABLES": ""}, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_no_more_than_it_needs(command):
    found = modules(RUN, *command.split())
    assert "dynjax.arguments" in found and not found & COMMANDS[command]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_imports_no_more_than_it_needs(verb):
    found = modules(f"import dynjax.verbs.{verb}, sys; print(*sys.modules, file=sys.stderr)")
    assert f"dynjax.verbs.{verb}" in found and not found & VERBS[verb]
