"""Axial, coronal and sagittal dynamic images as the channels of one image, VGG11, attention.

python main.py --config=configs/triplanar_vgg11.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/triplanar_vgg11.py:quick    8 epochs
python main.py --config=configs/triplanar_vgg11.py:noatt    without attention
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "vgg11", "projection.axis": "triplanar"}, variant, quick_epochs=8)
