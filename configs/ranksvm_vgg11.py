"""Exact rank pooling (the paper's equations 1 and 2) + VGG11 + Att, which the dynamic image approximates.

python main.py --config=configs/ranksvm_vgg11.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/ranksvm_vgg11.py:quick    8 epochs
python main.py --config=configs/ranksvm_vgg11.py:noatt    without attention
"""

from configs.base import paper, with_variant


def get_config(variant: str = ""):
    config = paper()
    config.model.name = "vgg11"
    config.projection.name = "ranksvm"
    return with_variant(config, variant, quick_epochs=8)
