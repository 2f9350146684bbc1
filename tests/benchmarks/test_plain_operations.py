"""The side of `make accuracy` that is compared with."""

import subprocess
import sys

import pytest

from tests.command import PHANTOMS, ROOT, TINY


@pytest.mark.slow
def test_nothing_is_computed_in_the_forms_for_a_cpu(tmp_path):
    ours = "import dynjax.models.operations.convolution as ours; ours.conv2d = ours.winograd = None"
    program = f"{ours}; import runpy; runpy.run_module('benchmarks.plain_operations')"
    done = subprocess.run(
        [sys.executable, "-c", program, *TINY, *PHANTOMS, f"--workdir={tmp_path / 'run'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "results.json").exists()
