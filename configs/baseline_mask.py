"""A linear support vector machine on the head's mask, which sees no intensities, in the same folds.

Classifiers of brain MRI can answer from the mask that skull stripping leaves (Tinauer et al. 2025). A network that
scores no better than this baseline may have learned no more than the mask.

python main.py --config=configs/baseline_mask.py          about half a minute for 100 scans
"""

from configs.base import BASELINE, experiment


def get_config(variant: str = ""):
    return experiment(BASELINE | {"model.name": "svm_mask"}, variant, quick_epochs=1)
