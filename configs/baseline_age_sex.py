"""Logistic regression on age and sex, which sees no scan, fitted by scikit-learn in the same folds.

python main.py --config=configs/baseline_age_sex.py          seconds
"""

from configs.base import BASELINE, experiment


def get_config(variant: str = ""):
    return experiment(BASELINE | {"model.name": "age_sex"}, variant, quick_epochs=1)
