"""A learned projection, VGG11, attention: one weight a slice, which starts as the dynamic image's.

python main.py --config=configs/learned_vgg11.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/learned_vgg11.py:quick    8 epochs
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "vgg11", "projection.name": "learned"}, variant, quick_epochs=8)
