"""Avg. + VGG11 + Att (Table 3: accuracy 0.88, AUC 0.89 on ADNI): the mean along z in place of rank pooling.

python main.py --config=configs/avg_vgg11.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/avg_vgg11.py:quick    8 epochs
python main.py --config=configs/avg_vgg11.py:noatt    without attention: accuracy 0.86, AUC 0.84
"""

from configs.base import paper, with_variant


def get_config(variant: str = ""):
    config = paper()
    config.model.name = "vgg11"
    config.projection.name = "mean"
    return with_variant(config, variant, quick_epochs=8)
