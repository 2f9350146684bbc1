"""The axial, coronal and sagittal dynamic images in the three channels of one + VGG11 + Att.

python main.py --config=configs/triplanar_vgg11.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/triplanar_vgg11.py:quick    8 epochs
python main.py --config=configs/triplanar_vgg11.py:noatt    without attention
"""

from configs.base import paper, with_variant


def get_config(variant: str = ""):
    config = paper()
    config.model.name = "vgg11"
    config.projection.axis = "triplanar"
    return with_variant(config, variant, quick_epochs=8)
