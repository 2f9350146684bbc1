"""The patch ensemble of Cheng et al. 2017, which the paper cites: 27 patches of a 100 x 81 x 80 volume.

python main.py --config=configs/patches3d.py          the protocol: 5 folds of 150 epochs; wants a GPU
"""

from configs.base import volumetric, with_variant


def get_config(variant: str = ""):
    config = volumetric("patches3d")
    config.volume.grid = (100, 81, 80)
    config.model.dropout = 0.5
    return with_variant(config, variant, quick_epochs=2)
