"""How the steps of an epoch are run: as one program that scans over its batches, on every platform."""

import functools
from collections.abc import Callable

import jax
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


def make_run_epoch(train_step) -> RunEpoch:
    @functools.partial(jax.jit, donate_argnums=0)
    def run_epoch(state, images, labels, order, key, learning_rate):
        def body(state, batch):
            return train_step(state, images[batch], labels[batch], key, learning_rate)

        return jax.lax.scan(body, state, order)

    return run_epoch
