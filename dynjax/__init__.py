"""dynjax classifies 3D brain MRI from 2D dynamic images. All that a notebook needs is here; help(NAME) explains each.

Experiments, as on the command line:
    load_config     a config by name or path, with keys changed
    train, evaluate, predict, explain    what the commands of these names do
    load_run        a run's results, predictions and networks

Scans and images, as arrays:
    load_volume     a scan file, as a float32 volume in RAS+
    dynamic_image, project, rank_pooling_weights    volumes to images
    plot_dynamic_image    an image, upright and with its sides named
    scale_images, feature_extractor    images to ImageNet features

For scikit-learn:
    DynamicImageClassifier    fits and predicts arrays of volumes

Errors, each one message with the remedy:
    DynjaxError, and its kinds UsageError, InputError, Stopped
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Imported on first use, so that `import dynjax` does not load JAX.
_HOME = {
    "DynamicImageClassifier": "dynjax.api.estimator",
    "DynjaxError": "dynjax.errors",
    "InputError": "dynjax.errors",
    "Stopped": "dynjax.errors",
    "UsageError": "dynjax.errors",
    "dynamic_image": "dynjax.projection.dynamic",
    "evaluate": "dynjax.api.running",
    "explain": "dynjax.api.running",
    "feature_extractor": "dynjax.pretrained.features",
    "load_config": "dynjax.api.running",
    "load_run": "dynjax.api.loaded",
    "load_volume": "dynjax.volumes.nifti",
    "plot_dynamic_image": "dynjax.api.picture",
    "predict": "dynjax.api.running",
    "project": "dynjax.projection.project",
    "rank_pooling_weights": "dynjax.projection.weights",
    "scale_images": "dynjax.projection.scale",
    "train": "dynjax.api.running",
}

if TYPE_CHECKING:  # what type checkers and editors see
    from dynjax.api.estimator import DynamicImageClassifier
    from dynjax.api.loaded import load_run
    from dynjax.api.picture import plot_dynamic_image
    from dynjax.api.running import evaluate, explain, load_config, predict, train
    from dynjax.errors import DynjaxError, InputError, Stopped, UsageError
    from dynjax.pretrained.features import feature_extractor
    from dynjax.projection.dynamic import dynamic_image
    from dynjax.projection.project import project
    from dynjax.projection.scale import scale_images
    from dynjax.projection.weights import rank_pooling_weights
    from dynjax.volumes.nifti import load_volume
else:

    def __getattr__(name: str):
        if name not in _HOME:
            raise AttributeError(f"module 'dynjax' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOME[name]), name)


__all__ = [
    "DynamicImageClassifier",
    "DynjaxError",
    "InputError",
    "Stopped",
    "UsageError",
    "dynamic_image",
    "evaluate",
    "explain",
    "feature_extractor",
    "load_config",
    "load_run",
    "load_volume",
    "plot_dynamic_image",
    "predict",
    "project",
    "rank_pooling_weights",
    "scale_images",
    "train",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
