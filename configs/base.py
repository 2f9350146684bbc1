"""The paper's protocol. A config file is a small change of it, a variant another; dynjax/run/keys.py has every key."""

from typing import Any

from ml_collections import ConfigDict

from dynjax.errors import UsageError
from dynjax.run.keys import default_config

VARIANTS = {
    "quick": "few epochs: minutes on two CPU cores",
    "skull": "phantoms with a skull (the paper's Table 4)",
    "noatt": "without attention",
    "released": "as in the authors' released code, which selects on test subjects: OPTIMISTIC",
}


def paper() -> ConfigDict:
    """Returns the paper's protocol (section 4): 100 subjects, five folds, Adam at 1e-4, 150 epochs of batches of 16."""
    return default_config()


# 3D networks take whole volumes, in batches of 8 as in the released code, and have no pretrained weights.
VOLUMETRIC = {
    "projection.name": "none",
    "model.pretrained": "none",
    "model.dropout": 0.7,  # Korolev et al.; 3D-ResNet has none
    "train.batch_size": 8,
}


# Baselines are fitted by scikit-learn and have no network.
BASELINE = {
    "projection.name": "none",
    "model.pretrained": "none",
    "train.epochs": 1,
}


# A linear answer, solved to convergence, on the features of a trunk that stands still.
SOLVED = {
    "model.trainable": "head",
    "model.head": "linear",
    "model.attention": "none",
    "train.epochs": 1,
}


def experiment(changes: dict[str, Any], variant: str, quick_epochs: int) -> ConfigDict:
    """Returns the paper's protocol with changes, {'model.name': 'alexnet'}, and the variants named after the colon."""
    config = paper()
    config.update_from_flattened_dict(changes)
    return with_variant(config, variant, quick_epochs)


def with_variant(config: ConfigDict, variant: str, quick_epochs: int) -> ConfigDict:
    """Applies the variants named after the colon, such as 'quick' or 'quick,skull'."""
    for name in filter(None, variant.split(",")):
        if name == "quick":
            config.train.epochs = quick_epochs  # a few minutes on two cores
        elif name == "skull":
            config.cohort.phantom.skull = True  # the paper's Table 4
        elif name in ("noatt", "released") and config.model.head == "linear":
            raise UsageError(f"a linear answer on a frozen trunk has no variant {name!r}: it has no attention")
        elif name in ("noatt", "released") and config.projection.name == "none":
            raise UsageError(f"{config.model.name} has no variant {name!r}: it has neither attention nor trunk")
        elif name == "noatt":
            config.model.attention = "none"
        elif name == "released":
            _as_released(config)
        else:
            raise UsageError(f"no variant is called {name!r}; there are {', '.join(VARIANTS)}; a comma joins them")
    return config


def _as_released(config: ConfigDict) -> None:
    """Follows the authors' released code where it differs from the paper, including its selection on test subjects."""
    config.projection.weights = "released"
    config.projection.scale = "byte"
    config.model.attention = "none" if config.model.attention == "none" else "rows"
    config.model.head = "released"
    config.model.cut = "released"
    config.train.weight_decay = 1e-3
    config.train.learning_rate_decay = 0.985
    config.evaluate.select = "test"
