"""The benchmarks: each figure is a function that measures it and returns the content of its JSON line."""

import functools
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.turns import Side, Turns, Worker, compare, take_turns

EPOCHS, FOLDS, SUBJECTS = 150, 5, 100  # the paper's protocol
TRAINED_ON = SUBJECTS - SUBJECTS // FOLDS
STEPS = 5
IMAGE_NETWORKS = ("vgg11", "alexnet", "resnet18", "mobilenet_v2")
VOLUME_NETWORKS = ("vgg3d", "resnet3d")
NO_TORCH = "torch has nothing to compare with"


class Setting(NamedTuple):
    """The machine and the effort. repeats: rounds of a figure. budget: seconds after which no further round starts."""

    device: str
    platform: str
    repeats: int = 9
    budget: float = 45.0
    quick: bool = False
    batch: int | None = None

    @property
    def gpu(self) -> bool:
        return self.platform != "cpu"

    @property
    def dtype(self) -> str:
        """The dtype of training: on an accelerator the one that torch's autocast uses."""
        return "bfloat16" if self.gpu else "float32"


def setting(repeats: int | None, quick: bool, batch: int | None = None) -> Setting:
    """Asks a worker process for the device and returns the setting of this run."""
    worker = Worker(Side("benchmarks.jax_side:machine", {}))
    worker.close()
    device, platform = worker.about["device"], worker.about["platform"]
    if quick:
        return Setting(device, platform, repeats or 2, budget=1, quick=True, batch=batch)
    return Setting(device, platform, repeats or 9, batch=batch)


def train_step(network: str, at: Setting) -> dict[str, Any]:
    """Times a training step. For images a turn has STEPS, so that a slower first step counts as it does in training."""
    arguments, long = _training(network, at), network in VOLUME_NETWORKS
    steps = 1 if long else STEPS
    arguments["count"] = steps * arguments["batch"]
    turns = take_turns(_both("epoch", arguments, at), at.repeats, at.budget, run_in=not long)
    seconds = {side: [each / steps for each in times] for side, times in turns.seconds.items()}
    extra = {"batch": arguments["batch"], "steps_a_turn": steps}
    return extra | _line(turns._replace(seconds=seconds), at)


def epoch(network: str, at: Setting) -> dict[str, Any]:
    """Times an epoch as dynjax runs it, as one program that scans over batches, and as one program per step."""
    arguments = _training(network, at)
    bare = {
        form: Side("benchmarks.jax_side:bare_epoch", arguments | {"dtype": at.dtype, "form": form})
        for form in ("scan", "steps")
    }
    turns = take_turns(_both("epoch", arguments, at) | bare, at.repeats, at.budget, run_in=True)
    scanned, low, high = compare(turns.seconds["scan"], turns.seconds["steps"])
    extra = {"steps_an_epoch": turns.about["jax"]["steps"], "scan_over_steps": scanned}
    return extra | {"scan_over_steps_low": low, "scan_over_steps_high": high} | _line(turns, at)


def crossval(network: str, at: Setting) -> dict[str, Any]:
    """Times five folds of 150 epochs on 100 subjects; on a CPU, extrapolates from a few epochs of one fold."""
    whole = at.gpu and not at.quick
    folds, epochs = (FOLDS, EPOCHS) if whole else (1, 2)
    arguments = _training(network, at) | {"folds": folds, "epochs": epochs}
    turns = take_turns(_both("folds", arguments, at), at.repeats if whole else min(at.repeats, 3), at.budget)
    scale = FOLDS * EPOCHS / (folds * epochs)
    seconds = {side: [scale * each for each in times] for side, times in turns.seconds.items()}
    extra = {"extrapolated": not whole, "epochs_timed": folds * epochs, "epochs": FOLDS * EPOCHS}
    return extra | _line(turns._replace(seconds=seconds), at)


def dynamic_image(dtype: str, at: Setting) -> dict[str, Any]:
    """Times dynamic images of volumes of a dtype, beside the time to read or copy as many bytes."""
    arguments = {"count": 2 if at.quick else 256 if at.gpu else 16, "extent": 32 if at.quick else 110, "dtype": dtype}
    sides = _both("dynamic_image", arguments, at)
    if not at.gpu:
        sides["numpy"] = Side("benchmarks.numpy_side:dynamic_image", arguments)
    sides["memory"] = Side("benchmarks.jax_side:memory", arguments)
    turns = take_turns(sides, at.repeats * 3, at.budget)
    speed = {side: _gigabytes_per_second(turns, side) for side in ("jax", "memory")}
    extra = {"volumes": arguments["count"], "gigabytes_per_second": speed["jax"]}
    extra |= {"memory_gigabytes_per_second": speed["memory"], "memory_is": "copied" if at.gpu else "read"}
    return extra | {"fraction_of_memory": speed["jax"] / speed["memory"]} | _line(turns, at)


def project_cohort(at: Setting) -> dict[str, Any]:
    """Times the projection of a cohort from files into an empty store."""
    scans = {"count": 2 if at.quick else 12}
    sides = {"jax": Side("benchmarks.jax_side:project", scans), "numpy": Side("benchmarks.numpy_side:project", scans)}
    return {"scans": scans["count"]} | _line(take_turns(sides, at.repeats, at.budget), at)


def load_volume(at: Setting) -> dict[str, Any]:
    """Times reading one compressed scan, beside nibabel."""
    sides = {side: Side(f"benchmarks.{side}_side:load_volume", {}) for side in ("jax", "numpy")}
    return _line(take_turns(sides, at.repeats, at.budget), at)


def predict(at: Setting) -> dict[str, Any]:
    """Times a `predict` process from start to end, on one scan with five networks."""
    tiny = ["--config.volume.grid=32,32,32", "--config.volume.spacing=6.9"]
    options = ["--config=configs/dyn_alexnet.py", *tiny] if at.quick else ["--config=configs/dyn_vgg11.py"]
    return _line(
        take_turns({"jax": Side("benchmarks.commands:predict", {"options": options})}, at.repeats, at.budget), at
    )


def compile_latency(at: Setting) -> dict[str, Any]:
    """Times a process up to the end of its first training step, without and with a cache of compiled programs."""
    arguments = _training("alexnet" if at.quick else "vgg11", at)
    arguments["count"] = arguments["batch"]
    make = "benchmarks.commands:first_step"
    ours = {"side": "jax", "arguments": arguments | {"dtype": at.dtype}}
    sides = {"jax": Side(make, ours), "jax_from_cache": Side(make, ours | {"keep_cache": True})}
    sides["torch"] = Side(make, {"side": "torch", "arguments": arguments | {"platform": at.platform}})
    return _line(take_turns(sides, min(at.repeats, 5), at.budget), at)


FIGURES: dict[str, Callable[[Setting], dict[str, Any]]] = {
    **{f"train_step/{name}": functools.partial(train_step, name) for name in IMAGE_NETWORKS + VOLUME_NETWORKS},
    **{f"dynamic_image/{dtype}": functools.partial(dynamic_image, dtype) for dtype in ("float32", "int16")},
    "project_cohort": project_cohort,
    "load_volume": load_volume,
    "predict": predict,
    "compile": compile_latency,
    "epoch/vgg11": functools.partial(epoch, "vgg11"),
    "crossval/vgg11": functools.partial(crossval, "vgg11"),
}


def _training(network: str, at: Setting) -> dict[str, Any]:
    """Returns the paper's sizes. The default batch is 16 images, 2 volumes on a CPU or 8 volumes on an accelerator."""
    if network in VOLUME_NETWORKS:
        smallest = {"vgg3d": 100, "resnet3d": 56}[network]
        batch = at.batch or (8 if at.gpu else 2)
        return {"network": network, "extent": smallest if at.quick else 110, "count": TRAINED_ON, "batch": batch}
    if at.quick:
        return {"network": network, "extent": 64, "count": 4, "batch": at.batch or 2}
    return {"network": network, "extent": 110, "count": TRAINED_ON, "batch": at.batch or 16}


def _both(work: str, arguments: dict[str, Any], at: Setting) -> dict[str, Side]:
    """Returns dynjax's and torch's side of a piece of work; dynjax takes a dtype in training, which names a network."""
    own = {"dtype": at.dtype} if "network" in arguments else {}
    return {
        "jax": Side(f"benchmarks.jax_side:{work}", arguments | own),
        "torch": Side(f"benchmarks.torch_side:{work}", arguments | {"platform": at.platform}),
    }


def _gigabytes_per_second(turns: Turns, side: str) -> float:
    return turns.about[side]["bytes"] / 1e9 / statistics.median(turns.seconds[side])


def _line(turns: Turns, at: Setting) -> dict[str, Any]:
    """Returns the median and least seconds of each side, and ratios with their 95 % interval to torch and NumPy."""
    medians = {side: statistics.median(seconds) for side, seconds in turns.seconds.items() if side != "memory"}
    line = {"jax": None, "torch": None, "ratio": None, "low": None, "high": None} | medians
    for side in medians.keys() & {"torch", "numpy"}:
        _check_same_network(turns, side)
        suffix = "" if side == "torch" else f"_{side}"
        keys = [f"{key}{suffix}" for key in ("ratio", "low", "high")]
        line |= dict(zip(keys, compare(turns.seconds["jax"], turns.seconds[side])))
    if "torch" not in medians:
        line["reason"] = turns.missing.get("torch", NO_TORCH)
    forms = {
        f"torch_{key}": turns.about["torch"][key] for key in ("form", "forms") if key in turns.about.get("torch", {})
    }
    least = {side: min(turns.seconds[side]) for side in medians}
    return line | forms | {"least": least, "device": at.device, "repeats": len(turns.seconds["jax"])}


def _check_same_network(turns: Turns, side: str) -> None:
    ours, theirs = (turns.about[name].get("parameters") for name in ("jax", side))
    if theirs is not None and ours != theirs:
        raise RuntimeError(f"the networks differ: {ours} parameters in dynjax, {theirs} in {side}")
