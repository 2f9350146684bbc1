"""`train`: a config carried to its end; run again on the same workdir, it goes on."""

from ml_collections import FrozenConfigDict

from dynjax.run import settings
from dynjax.run.crossvalidation import cross_validate
from dynjax.run.runtime import configure_jax
from dynjax.run.workdir import Workdir


def train(
    config: FrozenConfigDict, workdir: Workdir, allow_refused: bool = False, max_hours: float | None = None
) -> None:
    """Trains the folds of `config.train.only_folds`, all by default, and evaluates once every fold is done.

    Scans that are refused end it before it begins; with `allow_refused` they are left out and counted. After
    `max_hours` it stops as soon as the program that is under way has ended.
    Raises: UsageError, InputError, DynjaxError or Stopped, as `dynjax.errors` says; what is saved stays.
    """
    config = settings.resolve(config)
    configure_jax()
    cross_validate(config, workdir, allow_refused, max_hours)
