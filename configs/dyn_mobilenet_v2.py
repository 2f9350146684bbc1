"""Dynamic images, MobileNetV2, attention (Table 2: accuracy 0.88, AUC 0.89 on ADNI).

python main.py --config=configs/dyn_mobilenet_v2.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/dyn_mobilenet_v2.py:quick    20 epochs, about four minutes on two cores
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "mobilenet_v2"}, variant, quick_epochs=20)
