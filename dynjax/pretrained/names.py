"""Maps our module paths to torch's module names, with a table for each network."""

import itertools

from dynjax.models import resnet, shufflenet
from dynjax.models.mobilenet import STAGES, V1_BLOCKS

LEAVES = {"kernel": "weight", "bias": "bias", "scale": "weight", "mean": "running_mean", "var": "running_var"}

# Prefix and suffix of the torch parameters that a trunk does not use.
CLASSIFIER = {"resnet18": "fc.", "shufflenet_v2_x1_0": "fc."}  # "classifier." in the other networks
DROPPED_SUFFIX = ".num_batches_tracked"


def torch_name(model: str, path: str) -> str:
    """Returns the state-dict key of a trunk's leaf such as `convs/0/kernel`."""
    module, _, leaf = path.rpartition("/")
    return f"{MODULES[model][module]}.{LEAVES[leaf]}"


def is_dropped(model: str, name: str) -> bool:
    """Whether a state-dict key belongs to the classifier or counts batches, which no trunk uses."""
    return name.startswith(CLASSIFIER.get(model, "classifier.")) or name.endswith(DROPPED_SUFFIX)


def _alexnet() -> dict[str, str]:
    return {f"convs/{i}": f"features.{j}" for i, j in enumerate((0, 3, 6, 8, 10))}


def _vgg11() -> dict[str, str]:
    return {f"convs/{i}": f"features.{j}" for i, j in enumerate((0, 3, 6, 8, 11, 13, 16, 18))}


def _mobilenet_v2() -> dict[str, str]:
    modules = {"stem/conv": "features.0.0", "stem/norm": "features.0.1"}
    modules |= {"last/conv": "features.18.0", "last/norm": "features.18.1"}
    expansions: list[int] = []  # of each block
    for expansion, _, repeats, _ in STAGES:
        expansions += [expansion] * repeats
    for index, expansion in enumerate(expansions):
        block, inside = f"blocks/{index}", f"features.{index + 1}.conv"
        parts = ["expand", "depthwise"] if expansion > 1 else ["depthwise"]
        for position, part in enumerate(parts):
            modules[f"{block}/{part}/conv"] = f"{inside}.{position}.0"
            modules[f"{block}/{part}/norm"] = f"{inside}.{position}.1"
        modules[f"{block}/project/conv"] = f"{inside}.{len(parts)}"
        modules[f"{block}/project/norm"] = f"{inside}.{len(parts) + 1}"
    return modules


def _resnet18() -> dict[str, str]:
    modules = {"conv": "conv1", "norm": "bn1"}
    parts = {"conv1": "conv1", "norm1": "bn1", "conv2": "conv2", "norm2": "bn2"}
    parts |= {"shortcut": "downsample.0", "shortcut_norm": "downsample.1"}
    for index, (stage, block) in enumerate(itertools.product(range(len(resnet.STAGES)), range(2))):
        modules |= {f"blocks/{index}/{ours}": f"layer{stage + 1}.{block}.{theirs}" for ours, theirs in parts.items()}
    return modules


def _mobilenet_v1() -> dict[str, str]:
    modules = {"stem/conv": "conv_stem", "stem/norm": "bn1"}
    stage, block = 0, 0
    for index, (channels, _) in enumerate(V1_BLOCKS):
        if index and channels != V1_BLOCKS[index - 1][0]:  # timm begins a new stage
            stage, block = stage + 1, 0
        inside = f"blocks.{stage}.{block}"
        modules[f"blocks/{index}/depthwise/conv"] = f"{inside}.conv_dw"
        modules[f"blocks/{index}/depthwise/norm"] = f"{inside}.bn1"
        modules[f"blocks/{index}/pointwise/conv"] = f"{inside}.conv_pw"
        modules[f"blocks/{index}/pointwise/norm"] = f"{inside}.bn2"
        block += 1
    return modules


def _shufflenet() -> dict[str, str]:
    modules = {"conv": "conv1.0", "norm": "conv1.1", "last": "conv5.0", "last_norm": "conv5.1"}
    branch = {"expand": 0, "expand_norm": 1, "depthwise": 3, "depthwise_norm": 4, "project": 5, "project_norm": 6}
    other = {"depthwise": 0, "depthwise_norm": 1, "project": 2, "project_norm": 3}
    units: list[tuple[int, int]] = []
    for stage, (repeats, _) in enumerate(shufflenet.STAGES, 2):  # torchvision counts stages from 2
        units += [(stage, unit) for unit in range(repeats)]
    for index, (stage, unit) in enumerate(units):
        inside = f"stage{stage}.{unit}"
        modules |= {f"units/{index}/{ours}": f"{inside}.branch2.{theirs}" for ours, theirs in branch.items()}
        modules |= {f"units/{index}/other/{ours}": f"{inside}.branch1.{theirs}" for ours, theirs in other.items()}
    return modules


MODULES = {
    "alexnet": _alexnet(),
    "vgg11": _vgg11(),
    "resnet18": _resnet18(),
    "mobilenet_v1": _mobilenet_v1(),
    "mobilenet_v2": _mobilenet_v2(),
    "shufflenet_v2_x1_0": _shufflenet(),
}
