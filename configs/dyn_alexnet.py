"""Dynamic images, AlexNet, attention (Table 2: accuracy 0.87, AUC 0.90 on ADNI).

python main.py --config=configs/dyn_alexnet.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/dyn_alexnet.py:quick    20 epochs
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "alexnet"}, variant, quick_epochs=20)
