"""Dyn + ResNet18 (Table 2: accuracy 0.85, AUC 0.84 on ADNI), with attention.

python main.py --config=configs/dyn_resnet18.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/dyn_resnet18.py:quick    8 epochs
"""

from configs.base import paper, with_variant


def get_config(variant: str = ""):
    config = paper()
    config.model.name = "resnet18"
    return with_variant(config, variant, quick_epochs=8)
