"""Dynamic images, MobileNetV1, attention (section 4.3: accuracy 0.85 on ADNI).

python main.py --config=configs/dyn_mobilenet_v1.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/dyn_mobilenet_v1.py:quick    20 epochs
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "mobilenet_v1"}, variant, quick_epochs=20)
