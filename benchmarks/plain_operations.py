"""main.py with XLA's own operations, not the forms for a CPU: python -m benchmarks.plain_operations --config=... ."""

import runpy
from pathlib import Path

from jax import lax

from dynjax.experiment import train

lax.platform_dependent = lambda *operands, default, **_: default(*operands)
train._steps_at_once = lambda config: 1  # within a loop XLA:CPU runs its own convolutions slowly
runpy.run_path(str(Path(__file__).parents[1] / "main.py"), run_name="__main__")
