"""The world that the tests make for themselves: nothing outside their temporary folders, strict numerics."""

import os
import tempfile
from pathlib import Path

import pytest

# Before jax starts, for this process and the commands that tests run: one place for all that is generated and compiled.
CACHE = tempfile.TemporaryDirectory(prefix="dynjax-tests-")
os.environ["DYNJAX_CACHE"] = CACHE.name
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"

from dynjax.errors import InputError
from dynjax.pretrained.source import convert_checkpoint, weights_folder


@pytest.fixture(scope="session")
def imagenet_mobilenet() -> Path:
    """MobileNetV2's converted ImageNet weights, as `make test` puts them into weights/."""
    path = weights_folder() / "mobilenet_v2.npz"
    if not path.exists():
        try:
            convert_checkpoint("mobilenet_v2", None, path)
        except InputError as error:
            pytest.skip(f"ImageNet weights cannot be had here: {error}")
    return path
