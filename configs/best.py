"""The recipe: means of slabs in three planes, a frozen MobileNetV2 and a linear answer.

python main.py --config=configs/best.py          under a minute for 100 scans on two cores
"""

from configs.base import SOLVED, experiment


def get_config(variant: str = ""):
    views = {"projection.name": "mean", "projection.axis": "axial+coronal+sagittal", "projection.slabs": 6}
    return experiment(SOLVED | views | {"model.name": "mobilenet_v2"}, variant, quick_epochs=1)
