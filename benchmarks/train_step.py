"""A whole training step at the paper's size: batch 16 at 110 x 110, forward, backward, Adam, dropout, BatchNorm."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import medians, report
from dynjax.models.build import TRUNKS, build_classifier
from dynjax.training.plan import make_plan
from dynjax.training.step import create_state, make_optimizer, make_train_step

BATCH = 16


def run() -> None:
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.normal(size=(BATCH, 110, 110, 3)), jnp.float32)
    labels, order, key = jnp.arange(BATCH) % 2, np.arange(BATCH, dtype=np.int32)[None], jax.random.key(0)
    for name in TRUNKS:
        network, optimizer = build_classifier(name, (110, 110)), make_optimizer()
        run_epoch = make_plan(make_train_step(network, optimizer), jax.default_backend())
        state = create_state(*jax.jit(network.init)(key), optimizer)

        def step():
            nonlocal state
            state, metrics = run_epoch(state, images, labels, order, key, np.float32(1e-4))  # noqa: B023 called before the next round
            return metrics

        report(f"train_step/{name}", **medians({"jax": step}, repeats=10), batch=BATCH)
