"""dynjax on the command line.

python main.py [train] --config=configs/dyn_vgg11.py[:VARIANT] [--workdir=DIR] [--config.SECTION.KEY=VALUE ...]
python main.py prepare --config=... --out=DIR
python main.py check --config=... [--out=FILE.json]
python main.py evaluate --workdir=DIR [--finished-folds] [--subgroups=COLUMN,...] [--table=OTHER.csv --out=DIR2]
python main.py predict --workdir=DIR SCAN.nii.gz ... [--out=FILE.csv]
python main.py audit --config=... [--workdir=DIR] [--shuffle]
python main.py report --workdir=DIR [--show-ids] [--beside=DIR,DIR]
python main.py compare DIR DIR ... [--paper] [--paired] [--out=FILE.csv|FILE.tex|FILE.html]
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from dynjax import command_line
from dynjax.command_line import config_of, workdir_of
from dynjax.errors import UsageError
from dynjax.memory import keep_freed_memory
from dynjax.work.cluster import workers_of

CONFIG = config_flags.DEFINE_config_file("config", None, "the experiment: FILE.py or FILE.py:VARIANT")
WORKDIR = flags.DEFINE_string("workdir", None, "the run's folder; train's default is runs/<config>[-<variant>]")
OUT = flags.DEFINE_string(
    "out", None, "the file (.csv, .json, .tex, .html) or, for prepare and evaluate, the folder to write"
)
ALLOW_REFUSED = flags.DEFINE_bool("allow-refused", False, "train, evaluate: exclude refused scans, and count them")
MAX_HOURS = flags.DEFINE_float("max-hours", None, "train: save and stop (exit code 75) after so many hours", 0)
FINISHED_FOLDS = flags.DEFINE_bool("finished-folds", False, "evaluate: score only the folds that are trained")
SHUFFLE = flags.DEFINE_bool(
    "shuffle", False, "audit: also train on shuffled labels, in --workdir: the AUC should be 0.5"
)
SUBGROUPS = flags.DEFINE_list("subgroups", [], "evaluate: further columns of the scan table to estimate by")
TABLE = flags.DEFINE_string("table", "", "evaluate: the scan table of another cohort, scored into --out=DIR")
SHOW_IDS = flags.DEFINE_bool("show-ids", False, "report: show subject ids instead of numbers")
BESIDE = flags.DEFINE_list("beside", [], "report: folders of runs to compare with; default: the baselines'")
SCHEDULER = flags.DEFINE_string(
    "scheduler", "", "tcp://HOST:8786 or local: a Dask scheduler whose workers read the scans"
)
PAPER = flags.DEFINE_bool("paper", False, "compare: also show the paper's figures (ADNI)")
PAIRED = flags.DEFINE_bool("paired", False, "compare: exit 3 unless every run can be paired with the first")

VERBS: dict[str, Callable[[list[str]], dict[str, Any]]] = {  # verb -> the arguments of dynjax.verbs.<verb>.<verb>
    "train": lambda _: {
        "config": config_of(CONFIG), "workdir": _workdir_or_default(),
        "allow_refused": ALLOW_REFUSED.value, "max_hours": MAX_HOURS.value,
    },
    "prepare": lambda _: {"config": config_of(CONFIG), "out": _out()},
    "check": lambda _: {"config": config_of(CONFIG), "out": _out()},
    "audit": lambda _: {
        "config": config_of(CONFIG),
        "workdir": workdir_of(WORKDIR) if WORKDIR.value and not SHUFFLE.value else None,
        "shuffled": _workdir_or_default("-shuffled") if SHUFFLE.value else None,
    },
    "evaluate": lambda _: {
        "workdir": workdir_of(WORKDIR), "finished_folds": FINISHED_FOLDS.value, "subgroups": SUBGROUPS.value,
        "table": TABLE.value, "out": _out(), "allow_refused": ALLOW_REFUSED.value,
    },
    "predict": lambda scans: {"workdir": workdir_of(WORKDIR), "scans": scans, "out": _out()},
    "report": lambda _: {"workdir": workdir_of(WORKDIR), "show_ids": SHOW_IDS.value, "beside": BESIDE.value},
    "compare": lambda folders: {
        "folders": folders, "with_paper": PAPER.value, "only_paired": PAIRED.value, "out": _out(),
    },
}  # fmt: skip
SCHEDULED = ("train", "prepare", "check", "evaluate")  # verbs that --scheduler is for
NEEDS = {"predict": "at least one scan: SCAN.nii.gz ...", "compare": "the folders of finished runs: DIR DIR ..."}


def _workdir_or_default(suffix: str = ""):
    return workdir_of(WORKDIR, Path("runs", command_line.config_name(flags.FLAGS["config"]) + suffix))


def _around(verb: str):
    if SCHEDULER.value and verb not in SCHEDULED:
        raise UsageError(f"--scheduler={SCHEDULER.value}: is for {', '.join(SCHEDULED)}, not for {verb}")
    return workers_of(SCHEDULER.value)


def _out() -> Path | None:
    return Path(OUT.value) if OUT.value else None


if __name__ == "__main__":
    keep_freed_memory()
    command_line.run(VERBS, NEEDS, _around)
