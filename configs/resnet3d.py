"""3D-ResNet of Korolev et al. 2017 on whole volumes (Table 3: accuracy 0.84, AUC 0.82 on ADNI).

python main.py --config=configs/resnet3d.py          the protocol: 5 folds of 150 epochs; wants a GPU
"""

from configs.base import VOLUMETRIC, experiment


def get_config(variant: str = ""):
    return experiment(VOLUMETRIC | {"model.name": "resnet3d"}, variant, quick_epochs=1)
