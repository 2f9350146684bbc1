"""The maximum along z instead of rank pooling, VGG11, attention (Table 3: accuracy 0.82, AUC 0.76 on ADNI).

python main.py --config=configs/max_vgg11.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/max_vgg11.py:quick    8 epochs
python main.py --config=configs/max_vgg11.py:noatt    without attention: accuracy 0.80, AUC 0.77
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "vgg11", "projection.name": "max"}, variant, quick_epochs=8)
