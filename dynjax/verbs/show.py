"""`show`: prints the config that a run would have, with every key."""

from ml_collections import FrozenConfigDict

from dynjax.run import settings


def show(config: FrozenConfigDict) -> None:
    """Prints the resolved config as JSON, as the run's config.json would have it. Raises: UsageError if it is wrong."""
    print(settings.to_json(settings.resolve(config)), end="")
