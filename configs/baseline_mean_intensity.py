"""Logistic regression on the mean intensity, fitted by scikit-learn in the same folds.

python main.py --config=configs/baseline_mean_intensity.py          seconds
"""

from configs.base import BASELINE, experiment


def get_config(variant: str = ""):
    return experiment(BASELINE | {"model.name": "mean_intensity"}, variant, quick_epochs=1)
