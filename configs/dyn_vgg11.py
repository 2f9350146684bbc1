"""The paper's main experiment: dynamic images, VGG11, attention (Table 3: accuracy 0.92, AUC 0.95 on ADNI).

python main.py --config=configs/dyn_vgg11.py          the protocol: 5 folds of 150 epochs
python main.py --config=configs/dyn_vgg11.py:quick    8 epochs, about five minutes on two cores
python main.py --config=configs/dyn_vgg11.py:skull    Table 4
"""

from configs.base import experiment


def get_config(variant: str = ""):
    return experiment({"model.name": "vgg11"}, variant, quick_epochs=8)
