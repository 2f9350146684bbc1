"""Dynamic images, ResNet18, attention (Table 2: accuracy 0.85, AUC 0.84 on ADNI).

python main.py --config=configs/dyn_resnet18.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/dyn_resnet18.py:quick    8 epochs
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "resnet18"}, variant, quick_epochs=8)
