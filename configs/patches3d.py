"""The patch ensemble of Cheng et al. 2017, which the paper cites: 27 patches of a 100 x 81 x 80 volume.

python main.py --config=configs/patches3d.py          the protocol: 5 folds of 150 epochs; wants a GPU
"""

from configs.base import VOLUMETRIC, experiment


def get_config(variant: str = ""):
    return experiment(
        VOLUMETRIC | {"model.name": "patches3d", "volume.grid": (100, 81, 80), "model.dropout": 0.5},
        variant,
        quick_epochs=2,
    )
