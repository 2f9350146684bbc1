"""The pretrained networks without their classifiers, by torchvision's names."""

from typing import Any

import jax
from flax import nnx

from dynjax.models.alexnet import AlexNet
from dynjax.models.mobilenet import MobileNetV1, MobileNetV2
from dynjax.models.resnet import ResNet18
from dynjax.models.shufflenet import ShuffleNetV2
from dynjax.models.vgg import VGG11

TRUNKS: dict[str, Any] = {
    "alexnet": AlexNet,
    "vgg11": VGG11,
    "resnet18": ResNet18,
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v2": MobileNetV2,
    "shufflenet_v2_x1_0": ShuffleNetV2,
}

CUTS = ("paper", "released")
CUT_TRUNKS = ("alexnet", "vgg11")  # the released code cuts these earlier than the paper's Table 1 suggests


class Trunk(nnx.Module):
    """A feature extractor without a classifier; its parameters have the same names as in a classifier."""

    def __init__(self, name: str, cut: str, *, rngs: nnx.Rngs):
        self.trunk = make_trunk(name, cut, rngs)

    def __call__(self, images: jax.Array, *, train: bool, key: jax.Array | None = None) -> jax.Array:
        return self.trunk(images, train=train)


def make_trunk(name: str, cut: str, rngs: nnx.Rngs):
    """Makes a trunk of TRUNKS; `cut`, one of CUTS, says where those of CUT_TRUNKS end."""
    return TRUNKS[name](cut, rngs=rngs) if name in CUT_TRUNKS else TRUNKS[name](rngs=rngs)
