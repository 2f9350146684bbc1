"""dynjax's networks as torch modules with the same layers: images [N, 3, H, W], volumes [N, 1, X, Y, Z]."""

import itertools
import math

import torch
from torch import nn

VGG_WIDTHS, VGG_POOLED = (64, 128, 256, 256, 512, 512, 512, 512), (0, 1, 3, 5)
ALEXNET = ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1))
RESNET = ((64, 1), (128, 2), (256, 2), (512, 2))
MOBILENET = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def build(name: str, size: tuple[int, ...], dropout: float) -> nn.Module:
    """Builds a network that returns logits [N, 2] for inputs of a height and width, or of an extent in voxels."""
    if name in VOLUMETRIC:
        return VOLUMETRIC[name](size, dropout)
    with torch.device("meta"):  # shapes only, no memory
        _, channels, height, width = TRUNKS[name]()(torch.zeros(2, 3, *size)).shape
    return nn.Sequential(TRUNKS[name](), Attention(channels), head(channels * height * width, dropout))


def vgg11() -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (wide_in, wide) in enumerate(zip((3, *VGG_WIDTHS), VGG_WIDTHS)):
        layers += [nn.Conv2d(wide_in, wide, 3, padding=1), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2)] * (index in VGG_POOLED)
    return nn.Sequential(*layers)


def alexnet() -> nn.Sequential:
    layers: list[nn.Module] = []
    wide_in = 3
    for index, (wide, size, stride, padding) in enumerate(ALEXNET):
        layers += [nn.Conv2d(wide_in, wide, size, stride, padding), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(3, 2)] * (index < 2)
        wide_in = wide
    return nn.Sequential(*layers)


def norm_conv(wide_in: int, wide: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(wide_in, wide, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(wide))


class BasicBlock(nn.Module):
    def __init__(self, wide_in: int, wide: int, stride: int):
        super().__init__()
        self.first, self.second = norm_conv(wide_in, wide, 3, stride), norm_conv(wide, wide, 3)
        self.shortcut = norm_conv(wide_in, wide, 1, stride) if stride != 1 or wide_in != wide else nn.Identity()

    def forward(self, x):
        return torch.relu_(self.second(torch.relu_(self.first(x))) + self.shortcut(x))


def resnet18() -> nn.Sequential:
    """Builds a ResNet-18 trunk without torchvision's max-pool, as in dynjax."""
    layers: list[nn.Module] = [norm_conv(3, 64, 7, 2), nn.ReLU(inplace=True)]
    wide_in = 64
    for wide, stride in RESNET:
        layers += [BasicBlock(wide_in, wide, stride), BasicBlock(wide, wide, 1)]
        wide_in = wide
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    def __init__(self, wide_in: int, wide_out: int, stride: int, expansion: int):
        super().__init__()
        wide = wide_in * expansion
        expand = [norm_conv(wide_in, wide, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        filters = [norm_conv(wide, wide, 3, stride, wide), nn.ReLU6(inplace=True), norm_conv(wide, wide_out, 1)]
        self.layers = nn.Sequential(*expand, *filters)
        self.residual = stride == 1 and wide_in == wide_out

    def forward(self, x):
        return x + self.layers(x) if self.residual else self.layers(x)


def mobilenet_v2() -> nn.Sequential:
    layers: list[nn.Module] = [norm_conv(3, 32, 3, 2), nn.ReLU6(inplace=True)]
    wide_in = 32
    for expansion, wide, repeats, first_stride in MOBILENET:
        for index in range(repeats):
            layers.append(InvertedResidual(wide_in, wide, first_stride if index == 0 else 1, expansion))
            wide_in = wide
    return nn.Sequential(*layers, norm_conv(wide_in, 1280, 1), nn.ReLU6(inplace=True))


class Attention(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        convs = [nn.Conv2d(a, b, 1) for a, b in itertools.pairwise((channels, 512, 256, 64, 1))]
        activated = [layer for conv in convs for layer in (conv, nn.ReLU(inplace=True))]
        self.score = nn.Sequential(*activated[:-1])

    def forward(self, x):
        score = self.score(x)
        return x * torch.softmax(score.flatten(1), dim=1).view_as(score)


def head(features: int, dropout: float) -> nn.Sequential:
    wide = [nn.Linear(features, 512), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    wide += [nn.Linear(512, 64), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    return nn.Sequential(nn.Flatten(), *wide, nn.Linear(64, 2))


def vgg3d(size: tuple[int, ...], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    wide_in = 1
    for group in ((8, 8), (16, 16), (32, 32, 32), (64, 64, 64)):
        for wide in group:
            layers += [nn.Conv3d(wide_in, wide, 3), nn.ReLU(inplace=True)]
            wide_in = wide
        layers.append(nn.MaxPool3d(2))
        size = tuple((extent - 2 * len(group)) // 2 for extent in size)
    layers += [nn.Flatten(), nn.Linear(math.prod(size) * 64, 128), nn.ReLU(inplace=True), nn.BatchNorm1d(128, 1e-4)]
    layers += [nn.Dropout(dropout), nn.Linear(128, 64), nn.ReLU(inplace=True), nn.Linear(64, 2)]
    return nn.Sequential(*layers)


def conv_norm_3d(wide_in: int, wide: int, stride: int = 1) -> list[nn.Module]:
    """Returns batch norm, ReLU and convolution, in this order."""
    return [nn.BatchNorm3d(wide_in, 1e-4), nn.ReLU(inplace=True), nn.Conv3d(wide_in, wide, 3, stride, 1)]


class VoxRes(nn.Sequential):
    def __init__(self, wide: int):
        super().__init__(*conv_norm_3d(wide, wide), *conv_norm_3d(wide, wide))

    def forward(self, x):
        return x + super().forward(x)


def resnet3d(size: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Builds the 3D ResNet, which has no dropout: `dropout` is not used."""
    layers: list[nn.Module] = [nn.Conv3d(1, 32, 3, 1, 1), *conv_norm_3d(32, 32)]
    for wide_in, wide in ((32, 64), (64, 64), (64, 128)):
        layers += [*conv_norm_3d(wide_in, wide, 2), VoxRes(wide), VoxRes(wide)]
        size = tuple(-(-extent // 2) for extent in size)
    features = math.prod(extent // 7 for extent in size) * 128
    layers += [nn.MaxPool3d(7), nn.Flatten(), nn.Linear(features, 128), nn.ReLU(inplace=True), nn.Linear(128, 2)]
    return nn.Sequential(*layers)


TRUNKS = {"vgg11": vgg11, "alexnet": alexnet, "resnet18": resnet18, "mobilenet_v2": mobilenet_v2}
VOLUMETRIC = {"vgg3d": vgg3d, "resnet3d": resnet3d}
