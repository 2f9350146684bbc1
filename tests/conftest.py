"""The world that the tests make for themselves: nothing outside their temporary folders, strict numerics."""

import os
import tempfile
from pathlib import Path

import pytest

# Before jax starts, for this process, the workers of pytest-xdist that it starts and the commands that tests run: one
# place for all that is generated and compiled, which the first of them makes and removes.
if "PYTEST_XDIST_WORKER" not in os.environ:
    CACHE = tempfile.TemporaryDirectory(prefix="dynjax-tests-")
    os.environ["DYNJAX_CACHE"] = CACHE.name
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.pop("COLUMNS", None)  # pytest-xdist says 80; a test that folds says how wide its terminal is
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"


@pytest.fixture(scope="session")
def imagenet_mobilenet() -> Path:
    """MobileNetV2's converted ImageNet weights, as `make test` puts them into weights/."""
    from dynjax.errors import InputError
    from dynjax.pretrained.source import convert_checkpoint, weights_folder

    path = weights_folder() / "mobilenet_v2.npz"
    if not path.exists():
        try:
            convert_checkpoint("mobilenet_v2", None, path)
        except InputError as error:
            pytest.skip(f"ImageNet weights cannot be had here: {error}")
    return path
