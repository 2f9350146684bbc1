"""How the steps of an epoch are run: as one program that scans over its batches, of one fold or of several at once."""

import functools
import operator
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from dynjax.training.step import Metrics, TrainState

# run_epoch(state, images [F, N, ...], labels [F, N], order [F, S, B], keys [F], learning_rate)
# -> (state, metrics [F, S]), of F folds side by side; every array of the state has F of them, and its memory is taken.
RunEpoch = Callable[..., tuple[TrainState, Metrics]]


def epoch_order(seed: int, fold: int, epoch: int, examples: int, batch_size: int) -> np.ndarray:
    """Indices int32 [S, B] of an epoch's batches: a permutation, its last batch filled from the permutation's start."""
    permutation = np.random.default_rng([seed, fold, epoch]).permutation(examples)
    return np.resize(permutation, (steps_of(examples, batch_size), batch_size)).astype(np.int32)


def steps_of(examples: int, batch_size: int) -> int:
    """How many batches make an epoch."""
    return -(-examples // batch_size)


def make_run_epoch(train_step) -> RunEpoch:
    def of_one_fold(learning_rate, state, images, labels, order, key):
        def body(state, batch):
            return train_step(state, images[batch], labels[batch], key, learning_rate)

        return jax.lax.scan(body, state, order)

    @functools.partial(jax.jit, donate_argnums=0)
    def run_epoch(state, images, labels, order, keys, learning_rate):
        folds = (state, images, labels, order, keys)
        epoch = functools.partial(of_one_fold, learning_rate)
        if len(keys) > 1:
            return jax.vmap(epoch)(*folds)
        only = epoch(*jax.tree.map(operator.itemgetter(0), folds))  # in vmap its convolutions would be grouped ones
        return jax.tree.map(lambda leaf: leaf[None], only)

    return run_epoch


@jax.jit
def stack_folds(states: Sequence[TrainState]) -> TrainState:
    """The states of several folds as `run_epoch` takes them."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


@jax.jit
def unstack_folds(state: TrainState) -> list[TrainState]:
    """That of each fold, in memory of its own."""
    return [jax.tree.map(operator.itemgetter(fold), state) for fold in range(len(state.step))]


def stack_examples(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """[F, N, ...] of the folds' examples [n, ...], n at most N; what fills an array up to N is in no epoch's order."""
    if len(arrays) == 1:
        return arrays[0][None]
    longest = max(map(len, arrays))
    return np.stack([np.resize(array, (longest, *array.shape[1:])) for array in arrays])
