"""Gives a notebook a pretrained trunk as a plain function."""

import functools
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from dynjax.errors import UsageError
from dynjax.files import expanded
from dynjax.models.build import build_trunk
from dynjax.models.trunks import TRUNKS
from dynjax.pretrained.source import find_weights
from dynjax.pretrained.weights import read_weights


def feature_extractor(name: str, weights: str | Path | None = None) -> Callable[[jax.Array], jax.Array]:
    """Returns a jitted function from images [N, H, W, 3] to features [N, h, w, C], with BatchNorm in evaluation mode.

    The function does not scale its input; `dynjax.scale_images` does.

    Args:
      name: torchvision's name of the network, a key of `dynjax.models.trunks.TRUNKS`.
      weights: a file made by weights/convert_torchvision.py; by default weights/NAME.npz, which is made from the
        official ImageNet weights if it does not exist yet.

    Raises: UsageError for an unknown name, InputError for weights that are missing or refused.
    """
    if name not in TRUNKS:
        raise UsageError(f"no network is named {name!r}; choose one of {', '.join(sorted(TRUNKS))}")
    trunk = build_trunk(name)
    loaded = read_weights(expanded(weights), name) if weights is not None else find_weights(name, "required")
    assert loaded is not None
    params, batch_stats = jax.tree.map(jnp.asarray, ({"trunk": loaded.params}, {"trunk": loaded.batch_stats}))

    @jax.jit
    def features(params, batch_stats, images: jax.Array) -> jax.Array:
        return trunk.apply(params, batch_stats, images, train=False)[0]

    return functools.partial(features, params, batch_stats)
