"""Mean and dynamic image in one VGG11 with three heads: our design, after Liang et al. 2019.

python main.py --config=configs/joint_vgg11.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/joint_vgg11.py:quick    8 epochs
"""

from configs.base import experiment


def get_config(variant: str = ""):
    changes = {"model.name": "vgg11", "model.head": "joint", "projection.name": "mean+dynamic"}
    return experiment(changes, variant, quick_epochs=8)
