"""Keeps a run to the recipe by which its scans have been read from the beginning."""

from ml_collections import ConfigDict, FrozenConfigDict

from dynjax.report.terminal import print_text
from dynjax.run.keys import KEYS
from dynjax.run.workdir import Workdir


def with_own_recipe(config: FrozenConfigDict, workdir: Workdir) -> FrozenConfigDict:
    """Returns the config with the `volume.recipe` of the run in the workdir, and says so if that is not the config's.

    Only the default gives way: a config with another recipe asks for it, and stays another run's config.
    """
    own, ours = workdir.recipe(), config.volume.recipe
    if own in (None, ours) or ours != KEYS["volume.recipe"].default:
        return config
    print_text(f"{workdir}: goes on with volume.recipe={own}, by which its scans are read; a new --workdir has {ours}")
    changed = ConfigDict(config.to_dict())
    changed.volume.recipe = own
    return FrozenConfigDict(changed)
