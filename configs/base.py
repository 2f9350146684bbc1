"""The paper's protocol, every key with its meaning. A config file is a small change of it, a variant another."""

from typing import Any

from ml_collections import ConfigDict

from dynjax.errors import UsageError

VARIANTS = ("quick", "skull", "noatt", "released")


def paper() -> ConfigDict:
    """Section 4 of the paper: 100 subjects, five folds, Adam at 1e-4, 150 epochs of batches of 16."""
    config = ConfigDict()
    config.seed = 0  # of the folds, the initial values, the order of batches, dropout and the bootstrap

    config.cohort = ConfigDict()
    # a CSV, an ADNI collection CSV, a folder that holds one, a BIDS dataset, a CAPS folder; '' is the phantom cohort
    config.cohort.table = ""
    config.cohort.labels = ("CN", "AD")  # (negative, positive); scans of other labels are left out
    config.cohort.label_column = ""  # where they stand; '' is 'label', ADNI's 'Group', BIDS's 'diagnosis' or the like
    config.cohort.visit = "first"  # or 'all' visits of a subject
    config.cohort.description = ""  # to keep: ADNI's series, 'MT1; GradWarp; N3m' or 'MT1*'; BIDS names, '*run-2*'
    config.cohort.shuffle = False  # labels dealt out anew among the subjects: a score above chance is then a leak
    config.cohort.phantom = ConfigDict()
    config.cohort.phantom.n = 100
    config.cohort.phantom.seed = 0
    config.cohort.phantom.skull = False

    config.volume = ConfigDict()
    config.volume.grid = (110, 110, 110)  # voxels along x, y, z, centred on MNI (0, -18, 20) mm
    config.volume.spacing = 2.0  # mm
    config.volume.nan = "refuse"  # scans with NaN; or 'zero' them where they lie outside the brain of a masked scan

    config.projection = ConfigDict()
    config.projection.name = "dynamic"  # or 'max', 'mean', exact rank pooling by 'ranksvm' or 'svr', 'learned', 'none'
    config.projection.axis = "axial"  # pooled along z as in the paper; or 'coronal', 'sagittal', 'triplanar'
    config.projection.weights = "simple"  # of 'dynamic': 2t - T - 1, the paper's eq. 3; or 'harmonic', 'released'
    config.projection.scale = "imagenet"  # what the trunks were pretrained on; or 'unit', 'byte'

    config.model = ConfigDict()
    config.model.name = "vgg11"
    config.model.pretrained = "auto"  # ImageNet's weights where they can be had; or 'required', 'none'
    config.model.attention = "map"  # a mask that sums to 1 over the map; 'rows' (the released code's), 'none'
    config.model.head = "paper"  # 512 and 64 units; or 'released', 2 C and C / 2 units with BatchNorm
    config.model.cut = "paper"  # where AlexNet and VGG11 end: after their last ReLU; or 'released', before one
    config.model.n_patches = 27  # that 'patches3d' joins after half of the epochs: all, or those that do best alone
    config.model.dropout = 0.5
    config.model.dtype = "float32"  # of convolutions and matrix products; or 'bfloat16', for accelerators

    config.train = ConfigDict()
    config.train.epochs = 150
    config.train.batch_size = 16
    config.train.learning_rate = 1e-4
    config.train.learning_rate_decay = 1.0  # the learning rate is multiplied with it after each epoch
    config.train.weight_decay = 0.0  # times the parameters, added to their gradients (L2, not AdamW)
    config.train.folds = 5
    config.train.repeats = 1  # of the whole cross-validation, on other folds and from other seeds each time
    config.train.only_folds = ()  # () trains them all; a job array gives each job one: --config.train.only_folds=2
    config.train.devices = 1  # that divide the examples of each batch among them
    config.train.stream = False  # a 3D network's volumes read from the store as they are needed; or all kept in memory
    config.train.checkpoint_every = 10  # epochs; left out where writing would take more than a tenth of the time

    config.evaluate = ConfigDict()
    # The epoch that is scored: the last; by 'validation' the one that a fifth of a fold's training subjects, held out,
    # choose with a threshold; by 'test' the best on the fold's test subjects, which is OPTIMISTIC.
    config.evaluate.select = "last"
    return config


# A 3D network takes in whole volumes, in batches of 8 as in the released code, and has no pretrained weights.
VOLUMETRIC = {
    "projection.name": "none",
    "model.pretrained": "none",
    "model.dropout": 0.7,  # Korolev et al.; 3D-ResNet has none
    "train.batch_size": 8,
}


# A baseline is fitted by scikit-learn, without a network and its settings.
BASELINE = {
    "projection.name": "none",
    "model.pretrained": "none",
    "train.epochs": 1,
}


def experiment(changes: dict[str, Any], variant: str, quick_epochs: int) -> ConfigDict:
    """The paper's protocol with other values, {'model.name': 'alexnet'}, and the variants named after the colon."""
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
    """What the authors' released code does where it differs from the paper, its selection on test subjects included."""
    config.projection.weights = "released"
    config.projection.scale = "byte"
    config.model.attention = "none" if config.model.attention == "none" else "rows"
    config.model.head = "released"
    config.model.cut = "released"
    config.train.weight_decay = 1e-3
    config.train.learning_rate_decay = 0.985
    config.evaluate.select = "test"
