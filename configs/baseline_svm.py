"""A linear support vector machine on the voxels, fitted by scikit-learn in the same folds.

python main.py --config=configs/baseline_svm.py          about half a minute for 100 scans
"""

from configs.base import BASELINE, experiment


def get_config(variant: str = ""):
    return experiment(BASELINE | {"model.name": "svm_voxels"}, variant, quick_epochs=1)
