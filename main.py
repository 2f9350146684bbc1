"""dynjax on the command line.

python main.py [train] --config=configs/dyn_vgg11.py[:VARIANT] [--workdir=DIR] [--config.SECTION.KEY=VALUE ...]
python main.py prepare --config=... --out=DIR
python main.py check --config=... [--out=FILE.json]
python main.py evaluate --workdir=DIR [--finished-folds]
python main.py predict --workdir=DIR SCAN.nii.gz ... [--out=FILE.csv]
python main.py audit --config=configs/dyn_vgg11.py[:VARIANT] [--workdir=DIR] [--config.SECTION.KEY=VALUE ...]
python main.py compare DIR DIR ... [--paper] [--paired] [--out=FILE.csv|FILE.tex]
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import FrozenConfigDict, config_flags

from dynjax.errors import UsageError
from dynjax.experiment import command_line

CONFIG = config_flags.DEFINE_config_file("config", None, "the experiment: FILE.py or FILE.py:VARIANT")
WORKDIR = flags.DEFINE_string("workdir", None, "the run's folder; train: runs/<config>[-<variant>] by default")
OUT = flags.DEFINE_string("out", None, "a .csv (predict, compare), .tex (compare) or .json (check); prepare: a folder")
ALLOW_REFUSED = flags.DEFINE_bool("allow-refused", False, "train: go on without scans that are refused, and count them")
MAX_HOURS = flags.DEFINE_float("max-hours", None, "train: save and stop, exit code 75, once so much time has passed", 0)
FINISHED_FOLDS = flags.DEFINE_bool("finished-folds", False, "evaluate: score the folds that are trained, not yet all")
PAPER = flags.DEFINE_bool("paper", False, "compare: the paper's figures, of ADNI, beside those of the runs")
PAIRED = flags.DEFINE_bool("paired", False, "compare: exit 3 unless all can be tested against the first, by subject")

VERBS: dict[str, Callable[[list[str]], tuple[Any, ...]]] = {  # verb -> the arguments of dynjax.experiment.<verb>.<verb>
    "train": lambda _: (_config(), _workdir(WORKDIR.value or _default_workdir()), ALLOW_REFUSED.value, MAX_HOURS.value),
    "prepare": lambda _: (_config(), _out()),
    "check": lambda _: (_config(), _out()),
    "audit": lambda _: (_config(), _workdir(WORKDIR.value) if WORKDIR.value else None),
    "evaluate": lambda _: (_workdir(WORKDIR.value), FINISHED_FOLDS.value),
    "predict": lambda scans: (_workdir(WORKDIR.value), scans, _out()),
    "compare": lambda folders: (folders, PAPER.value, PAIRED.value, _out()),
}
NEEDS = {"predict": "at least one scan: SCAN.nii.gz ...", "compare": "the folders of finished runs: DIR DIR ..."}


def main(arguments: list[str]) -> None:
    verb, *rest = arguments or ["train"]
    if verb not in VERBS:
        raise UsageError(f"no verb is called {verb!r}; there are {', '.join(VERBS)}")
    if rest and verb not in NEEDS:
        raise UsageError(f"{verb} takes no further arguments: {' '.join(rest)}")
    if verb in NEEDS and not rest:
        raise UsageError(f"{verb} needs {NEEDS[verb]}")
    values = VERBS[verb](rest)
    getattr(importlib.import_module(f"dynjax.experiment.{verb}"), verb)(*values)  # jax is not loaded before


def _config() -> FrozenConfigDict:
    if CONFIG.value is None:
        raise UsageError("--config=configs/NAME.py is needed; configs/README.md lists them")
    return FrozenConfigDict(CONFIG.value)


def _workdir(path: str | Path | None):
    from dynjax.experiment.workdir import Workdir

    if not path:
        raise UsageError("--workdir=DIR is needed, the folder of a trained run")
    return Workdir(path)


def _default_workdir() -> Path:
    return Path("runs", command_line.config_name(flags.FLAGS["config"]))


def _out() -> Path | None:
    return Path(OUT.value) if OUT.value else None


if __name__ == "__main__":
    command_line.run(main)
