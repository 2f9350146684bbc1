"""How the steps of an epoch are run: as one program that scans over its batches, of one fold or of several at once.

On several devices the folds are divided among them as far as they can be, and a batch's examples among those of a fold.
"""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dynjax.errors import UsageError
from dynjax.training.step import Metrics, TrainState


class Plan(NamedTuple):
    """F folds side by side: every array of their state and of their examples has a leading axis of F.

    run_epoch(state, images [F, N, ...], labels [F, N], order [F, S, B], keys [F, 2], learning_rate) -> (state, metrics
    [F, S]), of an epoch or of a part of it; it takes the memory of the state.
    place(arrays): numpy's, to where run_epoch wants them.
    unstack(state): that of each fold, in memory of its own, whole on every device.
    """

    run_epoch: Callable[..., tuple[TrainState, Metrics]]
    place: Callable[[Any], Any]
    unstack: Callable[[TrainState], list[TrainState]]


def make_mesh(devices: int, side_by_side: int, batch_size: int) -> Mesh:
    """So many devices of each process. Raises: UsageError if it has fewer, or a batch cannot be divided among them."""
    own = [[d for d in jax.devices() if d.process_index == process] for process in range(jax.process_count())]
    if devices > (fewest := min(map(len, own))):
        raise UsageError(f"train.devices={devices}: this machine has {fewest}")
    chosen = [device for each in own for device in each[:devices]]
    folds = math.gcd(side_by_side, len(chosen))
    parts = len(chosen) // folds
    if batch_size % parts:
        raise UsageError(f"train.batch_size={batch_size}: cannot be divided among {parts} devices")
    return Mesh(np.reshape(chosen, (folds, parts)), ("fold", "batch"))


def make_plan(train_step, mesh: Mesh, side_by_side: int = 1) -> Plan:
    by_fold, by_example, everywhere = PartitionSpec("fold"), PartitionSpec("batch"), PartitionSpec()

    def epoch_of_one(learning_rate, state, images, labels, order, key):
        def body(state, batch):
            examples = jax.lax.with_sharding_constraint((images[batch], labels[batch]), by_example)
            return train_step(state, *examples, jax.random.wrap_key_data(key), learning_rate)

        return jax.lax.scan(body, state, order)

    @functools.partial(
        jax.shard_map,  # of the folds; the partitioner, which divides the batches, cannot divide grouped convolutions
        mesh=mesh,
        in_specs=(*[by_fold] * 5, everywhere),
        out_specs=by_fold,
        axis_names={"fold"},
        check_vma=False,  # the folds know nothing of each other
    )
    def epoch_of_all(state, images, labels, order, keys, learning_rate):
        folds = (state, images, labels, order, keys)
        epoch = functools.partial(epoch_of_one, learning_rate)
        if len(keys) > 1:
            return jax.vmap(epoch)(*folds)
        only = epoch(*jax.tree.map(operator.itemgetter(0), folds))  # in vmap its convolutions would be grouped ones
        return jax.tree.map(lambda leaf: leaf[None], only)

    def unstack(state):
        return [jax.tree.map(operator.itemgetter(fold), state) for fold in range(side_by_side)]

    divided, whole = NamedSharding(mesh, by_fold), NamedSharding(mesh, everywhere)
    return Plan(
        run_epoch=jax.jit(epoch_of_all, donate_argnums=0, out_shardings=(divided, whole)),
        place=functools.partial(_place, divided),
        unstack=functools.partial(_unstack, jax.jit(unstack, out_shardings=whole)),
    )


def _unstack(program: Callable[[TrainState], list[TrainState]], state: TrainState) -> list[TrainState]:
    states = program(state)
    return (
        states if jax.process_count() == 1 else jax.tree.map(np.asarray, states)
    )  # one process alone goes on with them


def _place(sharding: NamedSharding, arrays: Any) -> Any:
    if sharding.is_fully_addressable:
        return jax.device_put(arrays, sharding)
    return jax.tree.map(lambda array: jax.make_array_from_callback(array.shape, sharding, array.__getitem__), arrays)


def stack_states(states: Sequence[TrainState]) -> TrainState:
    """On the host."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states)
