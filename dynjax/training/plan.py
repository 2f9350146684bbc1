"""Runs the steps of an epoch as one program that scans over its batches, on one or several devices.

Several devices share the work on each batch; each of them holds the whole state and all examples.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from dynjax.errors import UsageError
from dynjax.training.step import Metrics, TrainState
from dynjax.work.compiling import announced


class Plan(NamedTuple):
    """How a fold's arrays are laid out over the devices, and the program that trains on them.

    run_epoch(state, images [N, ...], labels [N], order [S, B], key [2], learning_rate) -> (state, metrics [S]) runs S
      steps of an epoch on the batches that `order` lists, and reuses the memory of the state that it is given.
    place(arrays) moves NumPy arrays to the devices, as run_epoch needs them.
    snapshot(state) returns a copy that later steps do not overwrite.
    """

    run_epoch: Callable[..., tuple[TrainState, Metrics]]
    place: Callable[[Any], Any]
    snapshot: Callable[[TrainState], TrainState]


def make_mesh(devices: int, batch_size: int) -> Mesh:
    """Makes a mesh of `devices` devices of each process.

    Raises: UsageError if a process has fewer devices, or if a batch cannot be divided evenly among them.
    """
    own = [_devices_of(process) for process in range(jax.process_count())]
    fewest = min(map(len, own))
    if devices > fewest:
        raise UsageError(f"train.devices={devices}: this machine has {fewest}")
    chosen: list[jax.Device] = []
    for each in own:
        chosen += each[:devices]
    if batch_size % len(chosen):
        raise UsageError(f"train.batch_size={batch_size}: cannot be divided among {len(chosen)} devices")
    return Mesh(np.array(chosen), ("batch",))


def _devices_of(process: int) -> list[jax.Device]:
    return [device for device in jax.devices() if device.process_index == process]


def make_plan(train_step, mesh: Mesh) -> Plan:
    """Compiles `train_step`, the function that `make_train_step` returns, into a plan for the devices of `mesh`."""
    divided, whole = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())

    def run_epoch(state, images, labels, order, key, learning_rate):
        def body(state, batch):  # batch: [B] indices
            examples = jax.lax.with_sharding_constraint((images[batch], labels[batch]), divided)
            return train_step(state, *examples, jax.random.wrap_key_data(key), learning_rate)

        return jax.lax.scan(body, state, order)

    def copy(state):
        return jax.tree.map(jnp.copy, state)

    return Plan(
        run_epoch=announced(jax.jit(run_epoch, donate_argnums=0, out_shardings=whole), "the training program"),
        place=functools.partial(_place, whole),
        snapshot=functools.partial(_snapshot, jax.jit(copy, out_shardings=whole)),
    )


def _place(whole: NamedSharding, arrays: Any) -> Any:
    """Copies arrays to every device; with several processes each process fills its own devices."""
    if whole.is_fully_addressable:
        return jax.device_put(arrays, whole)
    return jax.tree.map(lambda array: jax.make_array_from_callback(array.shape, whole, array.__getitem__), arrays)


def _snapshot(copy: Callable[[TrainState], TrainState], state: TrainState) -> TrainState:
    """Copies a state; to NumPy if there are several processes, because each of them scores or saves it by itself."""
    copied = copy(state)
    return copied if jax.process_count() == 1 else jax.tree.map(np.asarray, copied)
