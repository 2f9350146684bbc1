"""Dynamic images, ShuffleNetV2 x1.0, attention: a network of the kind that section 4.3 proposes.

python main.py --config=configs/dyn_shufflenet_v2.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/dyn_shufflenet_v2.py:quick    20 epochs
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "shufflenet_v2_x1_0"}, variant, quick_epochs=20)
