"""Runs main.py with XLA's own operations instead of the CPU forms: python -m benchmarks.plain_operations --config=...

Each step is a program of its own, without a loop and on one device: XLA:CPU optimises convolutions only in a program's
outermost computation, and is ten times slower elsewhere.
"""

import runpy
from pathlib import Path

import jax
from jax import lax

from dynjax.run import fold_training


def _once(step, state, examples):
    """Replaces `lax.scan` over a single example by a plain call."""
    state, metrics = step(state, jax.tree.map(lambda array: array[0], examples))
    return state, jax.tree.map(lambda array: array[None], metrics)


lax.platform_dependent = lambda *operands, default, **_: default(*operands)
fold_training._steps_at_once = lambda config: 1
lax.scan = _once
lax.with_sharding_constraint = lambda arrays, _: arrays
runpy.run_path(str(Path(__file__).parents[1] / "main.py"), run_name="__main__")
