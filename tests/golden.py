"""torchvision's networks rebuilt from their parameters' names, and what they answered."""

import json
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "data" / "golden"
INDEX = json.loads((FOLDER / "index.json").read_text())


def state_dict(model: str) -> dict[str, np.ndarray]:
    """The trunk's part of the state dict that the golden answers were made with."""
    shapes = INDEX[model]["state_dict"]
    return {
        name: _parameter(name, shape) for name, shape in shapes.items() if not name.startswith(("classifier.", "fc."))
    }


def images() -> np.ndarray:
    """The golden input, [2, 110, 110, 3]."""
    return np.random.RandomState(100).standard_normal((2, 3, 110, 110)).astype(np.float32).transpose(0, 2, 3, 1)


def answers(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(FOLDER / f"{name}.npz"))


def relative_difference(ours, golden) -> float:
    """The largest difference over the largest value."""
    return float(np.abs(np.asarray(ours) - golden).max() / np.abs(golden).max())


def _parameter(name: str, shape) -> np.ndarray:
    rng = np.random.RandomState(zlib.crc32(name.encode()) % 2**32)
    if name.endswith("num_batches_tracked"):
        return np.zeros((), np.int64)
    if name.endswith("running_mean"):
        value = 0.1 * rng.standard_normal(shape)
    elif name.endswith("running_var"):
        value = 0.5 + rng.random_sample(shape)
    elif len(shape) > 1:
        value = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    elif name.endswith("bias"):
        value = 0.1 * rng.standard_normal(shape)
    else:
        value = 0.75 + 0.5 * rng.random_sample(shape)
    return value.astype(np.float32)
