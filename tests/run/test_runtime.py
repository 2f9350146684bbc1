"""Compiled programs that are kept between processes."""

import os
import subprocess
import sys
import warnings

from dynjax.run.runtime import configure_jax
from tests.command import ROOT

TWICE = """
import jax
from dynjax.run.runtime import configure_jax
from dynjax.files import cache_folder

configure_jax()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

@jax.jit
def double(x):
    return 2 * x

def entry():
    return next((cache_folder() / "xla").rglob("jit_double-*-cache"))

assert double(1.0) == 2
whole = entry().read_bytes()
entry().write_bytes(whole[: len(whole) // 2])
jax.clear_caches()
assert double(1.0) == 2 and len(entry().read_bytes()) > len(whole) // 2
import warnings
warnings.warn("of another kind")
"""


def test_a_program_that_a_kill_cut_short_is_compiled_and_kept_anew_without_a_word(tmp_path):
    env = os.environ | {"DYNJAX_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", TWICE], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Error reading" not in done.stderr and "of another kind" in done.stderr


def test_a_notebook_may_set_it_up_again_and_again(monkeypatch):
    def show(*_args, **_how):
        pass

    monkeypatch.setattr(warnings, "showwarning", show)
    monkeypatch.setattr(sys, "unraisablehook", show)
    configure_jax()
    once = warnings.showwarning, sys.unraisablehook
    configure_jax()
    assert (warnings.showwarning, sys.unraisablehook) == once and warnings.showwarning.args[-1] is show
