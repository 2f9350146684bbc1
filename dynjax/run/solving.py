"""Solves the linear heads of a run's folds, one after the other; what is solved is kept as a checkpoint."""

import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from ml_collections import FrozenConfigDict

from dynjax.errors import Stopped
from dynjax.linear.answer import LinearAnswer, fit_linear
from dynjax.report.terminal import print_text
from dynjax.run import settings
from dynjax.run.data import Data
from dynjax.run.workdir import Workdir
from dynjax.training import checkpoint
from dynjax.training.record import peak_memory
from dynjax.training.step import TrainState


def solve_folds(
    config: FrozenConfigDict,
    workdir: Workdir,
    data: Data,
    todo: list[int],
    origin: dict[str, Any],
    stop_requested: Callable[[], bool],
) -> None:
    """Solves the folds `todo`. Raises: Stopped between two folds if a stop was requested; InputError as `images`."""
    for done, number in enumerate(todo):
        if stop_requested():
            raise Stopped(f"stopped after {done} of {len(todo)} folds; the same command continues from there")
        training = data.folds != number
        features = data.images(training)
        assert isinstance(features, np.ndarray)
        start = time.monotonic()
        subjects = [scan.subject for scan, is_ours in zip(data.cohort.scans, training) if is_ours]
        table = features.reshape(len(features), -1)
        answer = fit_linear(table, data.targets[training], subjects, config.seed, config.model.penalty)
        seconds = time.monotonic() - start
        about = {
            "config": settings.to_dict(config),
            "weights": origin,
            "scans": data.digests_of(number),
            "fold": number,
            "n_train": len(features),
            "n_validation": 0,
            "train_seconds": seconds,
            "train_loss": answer.loss,
            "penalty": answer.penalty,
            "peak_memory_bytes": peak_memory(),
        }
        checkpoint.save(workdir.fold(number), _state(answer), 1, about, keep_optimizer=False)
        found = f"penalty {answer.penalty:.3g}, cross-entropy {answer.loss:.4f} on its training subjects"
        print_text(f"fold {number}: solved in {seconds:.1f} s, {found}")


def _state(answer: LinearAnswer) -> TrainState:
    """Returns the parameters and batch statistics of the network that gives the answer."""
    numbers = {"mean": answer.mean, "scale": answer.scale}, {"weights": answer.weights, "intercept": answer.intercept}
    stats, params = ({name: np.asarray(value, np.float32) for name, value in part.items()} for part in numbers)
    return TrainState(jnp.int32(0), {"head": params}, {"head": stats}, ())
