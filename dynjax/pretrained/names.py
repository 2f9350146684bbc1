"""What each torchvision parameter is called here: our module path -> torch's module name, a table a network."""

from dynjax.models.mobilenet import STAGES

LEAVES = {"kernel": "weight", "bias": "bias", "scale": "weight", "mean": "running_mean", "var": "running_var"}

# What a trunk has no use for, by the beginning or the end of its name.
DROPPED_PREFIXES = ("classifier.",)
DROPPED_SUFFIX = ".num_batches_tracked"


def torch_name(model: str, path: str) -> str:
    """The state-dict key of a trunk's leaf such as `convs/0/kernel`."""
    module, _, leaf = path.rpartition("/")
    return f"{MODULES[model][module]}.{LEAVES[leaf]}"


def is_dropped(name: str) -> bool:
    return name.startswith(DROPPED_PREFIXES) or name.endswith(DROPPED_SUFFIX)


def _vgg11() -> dict[str, str]:
    return {f"convs/{i}": f"features.{j}" for i, j in enumerate((0, 3, 6, 8, 11, 13, 16, 18))}


def _mobilenet_v2() -> dict[str, str]:
    modules = {"stem/conv": "features.0.0", "stem/norm": "features.0.1"}
    modules |= {"last/conv": "features.18.0", "last/norm": "features.18.1"}
    for index, expansion in enumerate(t for t, _, repeats, _ in STAGES for _ in range(repeats)):
        block, inside = f"blocks/{index}", f"features.{index + 1}.conv"
        parts = (["expand"] if expansion > 1 else []) + ["depthwise"]
        for position, part in enumerate(parts):
            modules[f"{block}/{part}/conv"] = f"{inside}.{position}.0"
            modules[f"{block}/{part}/norm"] = f"{inside}.{position}.1"
        modules[f"{block}/project/conv"] = f"{inside}.{len(parts)}"
        modules[f"{block}/project/norm"] = f"{inside}.{len(parts) + 1}"
    return modules


MODULES = {"vgg11": _vgg11(), "mobilenet_v2": _mobilenet_v2()}
