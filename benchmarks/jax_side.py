"""dynjax's side of the benchmarks: its own functions, called as dynjax calls them."""

import os

os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.45")  # torch's process needs the other half

import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import dynjax
from benchmarks.scans import examples, phantom_scans, stored_volumes
from benchmarks.turns import Work
from dynjax.models.build import VOLUMETRIC, build_classifier
from dynjax.models.classifier import Options
from dynjax.pretrained.weights import make_initialiser
from dynjax.projection.store import Projection, project_cohort
from dynjax.run.runtime import configure_jax
from dynjax.training.examples import epoch_order
from dynjax.training.loop import Fold, Schedule, Trainer, fold_key, make_trainer, step_key, train_fold
from dynjax.training.plan import make_mesh
from dynjax.training.saver import Saver
from dynjax.training.step import make_optimizer, make_train_step
from dynjax.volumes.grid import Grid

RATE = np.float32(1e-4)


def machine() -> Work:
    """Does no work: `about` names the device and its platform."""
    return Work(lambda times: None, _about())


def epoch(network: str, extent: int, count: int, batch: int, dtype: str) -> Work:
    """Runs one epoch over `count` random examples, as `train_fold` does."""
    trainer, arrays = _trainer(network, extent, 1, batch, dtype), _examples(network, extent, count, dtype)
    run_epoch, place, _ = trainer.plan
    order = epoch_order(0, 0, 0, count, batch)
    state = place(trainer.initial(0))
    inputs, labels, batches, key = place([*arrays, order, step_key(0, 0)])

    def run(times):
        nonlocal state
        for _ in range(times):
            state, metrics = run_epoch(state, inputs, labels, batches, key, RATE)
        jax.block_until_ready((state, metrics))

    return Work(run, _about(trainer) | {"steps": len(order)})


def bare_epoch(network: str, extent: int, count: int, batch: int, dtype: str, form: str) -> Work:
    """Runs the epoch as one program that scans over its batches ('scan') or as a program per step ('steps')."""
    configure_jax()
    train_step = make_train_step(_network(network, extent, dtype), make_optimizer())
    state = _trainer(network, extent, 1, batch, dtype).initial(0)
    inputs, labels = map(jnp.asarray, _examples(network, extent, count, dtype))
    key, order = fold_key(0, 0), epoch_order(0, 0, 0, count, batch)

    def scanned(state, inputs, labels):
        return jax.lax.scan(lambda state, i: train_step(state, inputs[i], labels[i], key, RATE), state, order)

    program = jax.jit(scanned if form == "scan" else train_step, donate_argnums=0)

    def run(times):
        nonlocal state
        for _ in range(times):
            if form == "scan":
                state, _ = program(state, inputs, labels)
            else:
                for i in order:
                    state, _ = program(state, inputs[i], labels[i], key, RATE)
        jax.block_until_ready(state)

    return Work(run, _about())


def folds(network: str, extent: int, count: int, batch: int, dtype: str, folds: int, epochs: int) -> Work:
    """Trains folds one after the other, all their epochs, by `train_fold` with checkpoints."""
    trainer = _trainer(network, extent, epochs, batch, dtype)
    inputs, labels = _examples(network, extent, count, dtype)

    def run(times):
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder, Saver() as saver:
                for number in range(folds):
                    train_fold(
                        trainer,
                        Fold(number, inputs, labels, Path(folder, str(number)), about={}),
                        on_start=lambda number, done: None,
                        on_epoch=lambda epoch: None,
                        stop_requested=lambda: False,
                        saver=saver,
                    )

    return Work(run, _about(trainer))


def dynamic_image(count: int, extent: int, dtype: str) -> Work:
    """Computes dynamic images of volumes in host memory on a CPU, in device memory on an accelerator."""
    stored = stored_volumes(count, extent, dtype)
    if jax.default_backend() == "cpu":
        volumes, axis = stored.transpose(0, 3, 2, 1), "axial"
    else:
        volumes, axis = jnp.asarray(stored), "sagittal"  # the first axis, which is z in these volumes
    return Work(_repeated(lambda: dynjax.dynamic_image(volumes, axis)), _about() | {"bytes": stored.nbytes})


def memory(count: int, extent: int, dtype: str) -> Work:
    """Measures the bound of a dynamic image: summing as many bytes on a CPU, copying them on an accelerator."""
    size = count * extent**3 * np.dtype(dtype).itemsize
    array, on_cpu = jnp.ones(size // 4, jnp.float32), jax.default_backend() == "cpu"
    pass_over = jax.jit(jnp.sum if on_cpu else jnp.copy)
    return Work(_repeated(lambda: pass_over(array)), _about() | {"bytes": size if on_cpu else 2 * size})


def load_volume() -> Work:
    """Reads one phantom scan."""
    (path,) = phantom_scans(1)
    return Work(lambda times: [dynjax.load_volume(path, Grid()) for _ in range(times)], _about())


def project(count: int) -> Work:
    """Projects a cohort for the first time and writes its images to an empty store."""
    configure_jax()
    paths = phantom_scans(count)

    def run(times):
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["DYNJAX_CACHE"] = folder
                project_cohort(paths, Projection())

    return Work(run, _about())


def _repeated(call: Callable[[], jax.Array]) -> Callable[[int], None]:
    """Repeats a call one at a time. A CPU has to wait, or it would run several at once; an accelerator keeps order."""

    def run(times):
        for _ in range(times):
            result = call()
            if jax.default_backend() == "cpu":
                result.block_until_ready()
        result.block_until_ready()

    return run


def _trainer(network: str, extent: int, epochs: int, batch: int, dtype: str) -> Trainer:
    configure_jax()
    built = _network(network, extent, dtype)
    schedule = Schedule(epochs, batch, float(RATE), checkpoint_every=10, seed=0)
    return make_trainer(built, make_initialiser(built, None), schedule, make_mesh(1, batch))


def _network(network: str, extent: int, dtype: str):
    volumetric = network in VOLUMETRIC
    options = Options(dropout=0.7 if volumetric else 0.5, dtype=dtype)
    return build_classifier(network, (extent,) * (2 + volumetric), options)


def _examples(network: str, extent: int, count: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns random inputs, in the dtype that dynjax trains on, and labels."""
    inputs, labels = examples(count, (extent, extent, extent, 1) if network in VOLUMETRIC else (extent, extent, 3))
    return inputs.astype(jnp.dtype(dtype)), labels


def _about(trainer: Trainer | None = None) -> dict:
    device = jax.devices()[0]
    about = {"device": device.device_kind, "platform": device.platform}
    if trainer is not None:
        shapes = jax.eval_shape(lambda: trainer.initial(0).params)
        about["parameters"] = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    return about
