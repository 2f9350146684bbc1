"""`train`: trains and evaluates a config; run again on the same workdir, it resumes."""

from ml_collections import FrozenConfigDict

from dynjax.run import settings
from dynjax.run.crossvalidation import cross_validate
from dynjax.run.runtime import configure_jax
from dynjax.run.workdir import Workdir


def train(
    config: FrozenConfigDict, workdir: Workdir, allow_refused: bool = False, max_hours: float | None = None
) -> None:
    """Checks the config, sets up JAX and runs `dynjax.run.crossvalidation.cross_validate`, which has the arguments."""
    config = settings.resolve(config)
    configure_jax()
    cross_validate(config, workdir, allow_refused, max_hours)
