"""`compare`: the paper's tables from finished runs."""

import json
from collections.abc import Sequence
from pathlib import Path

from ml_collections import FrozenConfigDict

from dynjax.errors import InputError, UsageError, listed
from dynjax.evaluation.comparison import Row, print_rows, to_csv, to_latex
from dynjax.experiment.workdir import Workdir
from dynjax.files import write_text

PROJECTIONS = {
    "dynamic": "Dyn",
    "max": "Max.",
    "mean": "Avg.",
    "ranksvm": "RankSVM",
    "svr": "SVR",
    "learned": "Learned",
}
NETWORKS = {
    "alexnet": "AlexNet",
    "vgg11": "VGG11",
    "resnet18": "ResNet18",
    "mobilenet_v1": "MobileNetV1",
    "mobilenet_v2": "MobileNetV2",
    "shufflenet_v2_x1_0": "ShuffleNetV2",
    "vgg3d": "3D-VGG",
    "resnet3d": "3D-ResNet",
    "patches3d": "3D patches",
}
WRITERS = {".csv": to_csv, ".tex": to_latex}


def compare(folders: Sequence[str], with_paper: bool, out: Path | None) -> None:
    """Prints a row a run and writes them to `out`, a .csv or .tex.

    Raises: UsageError for another suffix; InputError that lists every folder without results.
    """
    if out is not None and out.suffix not in WRITERS:
        raise UsageError(f"--out={out}: name a file that ends in {' or '.join(WRITERS)}")
    rows, problems = [], []
    for folder in folders:
        try:
            rows.append(_read(Workdir(folder), folder))
        except InputError as error:
            problems.append(error)
    if problems:
        raise InputError(f"{len(problems)} of {len(folders)} runs cannot be compared:\n{listed(problems)}")
    print_rows(rows, with_paper)
    if out is not None:
        write_text(out.absolute(), WRITERS[out.suffix](rows, with_paper))
        print(f"written: {out}")


def _read(workdir: Workdir, folder: str) -> Row:
    config = workdir.read_config()
    try:
        results = json.loads(workdir.results.read_text(encoding="utf-8"))
        row = Row(run_name(config), folder, config.train.epochs, results)
        to_csv([row], with_paper=False)  # touches every key that a table needs
        return row
    except OSError:
        raise InputError(f"{workdir.results}: no such file; run train on this workdir to its end") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{workdir.results}: damaged or of an older version; run evaluate on this workdir") from None


def run_name(config: FrozenConfigDict) -> str:
    """What the paper's tables would call it, such as 'Dyn + VGG11 + Att'; what differs from them stands behind."""
    model, projection = config.model, config.projection
    parts = [NETWORKS[model.name]]
    if projection.name != "none":
        parts = [PROJECTIONS[projection.name], *parts, *(["Att"] if model.attention != "none" else [])]
    details = []
    if projection.name != "none" and projection.axis != "axial":
        details.append(projection.axis)
    if projection.name == "dynamic" and projection.weights != "simple":
        details.append(f"{projection.weights} weights")
    if projection.name != "none" and projection.scale != "imagenet":
        details.append(f"{projection.scale} scale")
    if model.attention == "rows" and projection.name != "none":
        details.append("by rows")
    if "released" in (model.head, model.cut):
        details.append("released layers")
    if not config.cohort.table and config.cohort.phantom.skull:
        details.append("with skull")
    return ", ".join([" + ".join(parts), *details])
