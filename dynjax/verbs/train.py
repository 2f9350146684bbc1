"""`train`: trains and evaluates a config; run again on the same workdir, it resumes."""

from ml_collections import FrozenConfigDict

from dynjax.run import settings
from dynjax.run.crossvalidation import cross_validate
from dynjax.run.runtime import configure_jax
from dynjax.run.workdir import Workdir


def train(
    config: FrozenConfigDict, workdir: Workdir, allow_refused: bool = False, max_hours: float | None = None
) -> None:
    """Trains the folds of `config.train.only_folds`, all by default, and evaluates once every fold is done.

    A refused scan ends the run before training; with `allow_refused`, refused scans are excluded and counted. After
    `max_hours` training stops as soon as the running program has ended.
    Raises: UsageError, InputError, DynjaxError or Stopped, as `dynjax.errors` says; everything saved is kept.
    """
    config = settings.resolve(config)
    configure_jax()
    cross_validate(config, workdir, allow_refused, max_hours)
