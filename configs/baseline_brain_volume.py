"""Logistic regression on the volume of grey and white matter, fitted by scikit-learn in the same folds.

python main.py --config=configs/baseline_brain_volume.py          seconds
"""

from configs.base import BASELINE, experiment


def get_config(variant: str = ""):
    return experiment(BASELINE | {"model.name": "brain_volume"}, variant, quick_epochs=1)
