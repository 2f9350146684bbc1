"""How the steps of an epoch are run: the one place that knows what the machine likes. The numbers are the same."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.training.step import Metrics, TrainState

# run_epoch(state, images [N, ...], labels [N], order [S, B], key, learning_rate) -> (state, metrics of S steps); the
# state is donated.
RunEpoch = Callable[..., tuple[TrainState, Metrics]]


def epoch_order(seed: int, fold: int, epoch: int, examples: int, batch_size: int) -> np.ndarray:
    """Indices int32 [S, B] of an epoch's batches: a permutation, its last batch filled from the permutation's start."""
    permutation = np.random.default_rng([seed, fold, epoch]).permutation(examples)
    steps = -(-examples // batch_size)
    return np.resize(permutation, (steps, batch_size)).astype(np.int32)


def make_plan(train_step, platform: str) -> RunEpoch:
    """One program an epoch on an accelerator; on a CPU, where XLA is slow inside loops, a program a step."""
    return run_steps(train_step) if platform == "cpu" else run_scan(train_step)


def run_steps(train_step) -> RunEpoch:
    """A Python loop over the jitted step, which sees one batch: folds of different sizes share its program."""
    step = jax.jit(train_step, donate_argnums=0)

    def run_epoch(state, images, labels, order, key, learning_rate):
        metrics = []
        for batch in order:
            state, metric = step(state, images[batch], labels[batch], key, learning_rate)
            metrics.append(metric)
        return state, jax.tree.map(lambda *values: jnp.stack(values), *metrics)

    return run_epoch


def run_scan(train_step) -> RunEpoch:
    """The whole epoch as one program that scans over its batches."""

    @functools.partial(jax.jit, donate_argnums=0)
    def run_epoch(state, images, labels, order, key, learning_rate):
        def body(state, batch):
            return train_step(state, images[batch], labels[batch], key, learning_rate)

        return jax.lax.scan(body, state, order)

    return run_epoch
