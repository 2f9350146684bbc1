"""dynjax classifies 3D brain MRI from 2D dynamic images. This module exports what a notebook needs."""

import importlib

__version__ = "0.1.0"

# Imported on first use, so that `import dynjax` does not load JAX.
_HOME = {
    "dynamic_image": "dynjax.projection.dynamic",
    "project": "dynjax.projection.project",
    "rank_pooling_weights": "dynjax.projection.weights",
    "scale_images": "dynjax.projection.scale",
    "load_volume": "dynjax.volumes.nifti",
    "feature_extractor": "dynjax.pretrained.features",
}
__all__ = ["dynamic_image", "feature_extractor", "load_volume", "project", "rank_pooling_weights", "scale_images"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'dynjax' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
