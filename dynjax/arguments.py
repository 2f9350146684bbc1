"""Every flag of the command line, and what each verb does with its own.

The help of a flag says what it does in any verb that takes it; where verbs differ, `dynjax.help_pages` has the words.
"""

import sys
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags

from dynjax import command_line, config_file
from dynjax.command_line import config_of, path_of, workdir_of
from dynjax.errors import UsageError
from dynjax.parsing import Verb
from dynjax.work.cluster import workers_of

ARGV: list[str] = []  # of this command, from `run` on: an import reads no command line
CONFIG = config_flags.DEFINE_config_file(
    "config", None, "the experiment: a name, NAME:VARIANT, or FILE.py", sys_argv=ARGV
)
WORKDIR = flags.DEFINE_string("workdir", None, "the folder of a trained run")
OUT = flags.DEFINE_string("out", None, "the file to write")
ALLOW_REFUSED = flags.DEFINE_bool("allow-refused", False, "go on without the scans that are refused, and count them")
MAX_HOURS = flags.DEFINE_float("max-hours", None, "save and stop (exit code 75) after so many hours", 0)
flags.register_validator("max-hours", lambda hours: hours is None or hours >= 0, "must be a number, 0 or more")
ALLOW_UNLIKE = flags.DEFINE_bool("allow-unlike", False, "also answer scans that are unlike all training scans")
FINISHED_FOLDS = flags.DEFINE_bool("finished-folds", False, "score only the folds that are trained to the end")
SHUFFLE = flags.DEFINE_bool("shuffle", False, "also train on shuffled labels, in --workdir: the AUC should be 0.5")
SUBGROUPS = flags.DEFINE_list("subgroups", [], "further columns of the scan table to estimate by")
TABLE = flags.DEFINE_string("table", "", "a CSV of scans, whose column path names their files")
LABEL_COLUMN = flags.DEFINE_string("label-column", "", "the column of labels in --table")
DESCRIPTION = flags.DEFINE_string("description", "", "which series or files of --table to keep, as cohort.description")
SHOW_IDS = flags.DEFINE_bool("show-ids", False, "show subject ids instead of numbers")
BESIDE = flags.DEFINE_list("beside", [], "folders of runs to compare with; by default those of the baselines")
METHOD = flags.DEFINE_string("method", "gradients", "gradients (the default), cam, gradcam, occlusion or attention")
REFERENCE = flags.DEFINE_string(
    "reference",
    "",
    "with what a scan is compared: undone (the default), reliable, negative, middle, difference, projected",
)
SUBJECTS = flags.DEFINE_list("subjects", [], "only these subjects of the run")
ATLAS = flags.DEFINE_string("atlas", "", "a NIfTI file of numbered regions, over which maps are summed")
ATLAS_NAMES = flags.DEFINE_string("atlas-names", "", "a .tsv with the columns index and name, of the regions")
SCHEDULER = flags.DEFINE_string("scheduler", "", "a Dask scheduler, tcp://HOST:8786 or local, whose workers read scans")
PAPER = flags.DEFINE_bool("paper", False, "also show the paper's figures (ADNI)")
PAIRED = flags.DEFINE_bool("paired", False, "exit 3 unless every run can be paired with the first")

# The flags of each verb, and what it does with them: the arguments of dynjax.verbs.<verb>.<verb>.
VERBS = {
    "train": Verb(("config", "workdir", "allow-refused", "max-hours", "scheduler"), lambda _: {
        "config": config_of(CONFIG), "workdir": _workdir_or_default(),
        "allow_refused": ALLOW_REFUSED.value, "max_hours": MAX_HOURS.value,
    }),
    "prepare": Verb(("config", "workdir", "table", "out", "scheduler"), lambda scans: {
        "config": config_of(CONFIG) if CONFIG.value else None, "out": path_of(OUT),
        "workdir": workdir_of(WORKDIR) if WORKDIR.value else None, "scans": scans, "table": TABLE.value,
        "chosen": _chosen_config(),
    }, takes="with --workdir, raw scans without labels: SCAN.nii.gz ..., or a folder of them"),
    "check": Verb(("config", "out", "scheduler"), lambda _: {"config": config_of(CONFIG), "out": path_of(OUT)}),
    "audit": Verb(("config", "workdir", "shuffle", "allow-refused", "max-hours", "scheduler"), lambda _: {
        "config": config_of(CONFIG), "allow_refused": ALLOW_REFUSED.value, "max_hours": _with_shuffle(MAX_HOURS.value),
        "workdir": workdir_of(WORKDIR) if WORKDIR.value and not SHUFFLE.value else None,
        "shuffled": _workdir_or_default("-shuffled") if SHUFFLE.value else None,
    }),
    "evaluate": Verb(
        ("workdir", "finished-folds", "subgroups", "table", "label-column", "description", "out", "allow-refused",
         "scheduler"), lambda _: {
            "workdir": workdir_of(WORKDIR), "finished_folds": FINISHED_FOLDS.value, "subgroups": SUBGROUPS.value,
            "table": TABLE.value, "label_column": LABEL_COLUMN.value, "description": DESCRIPTION.value,
            "out": path_of(OUT), "allow_refused": ALLOW_REFUSED.value,
        }
    ),
    "predict": Verb(
        ("workdir", "table", "out", "allow-unlike"), lambda scans: {
            "workdir": workdir_of(WORKDIR), "scans": scans, "table": TABLE.value, "out": path_of(OUT),
            "allow_unlike": ALLOW_UNLIKE.value,
        }, takes="scans: SCAN.nii.gz ..., or a folder of them",
    ),
    "explain": Verb(
        ("workdir", "table", "method", "reference", "subjects", "atlas", "atlas-names", "out", "allow-unlike"),
        lambda scans: {
            "workdir": workdir_of(WORKDIR), "scans": scans, "table": TABLE.value,
            "method": METHOD.value, "reference": REFERENCE.value, "subjects": SUBJECTS.value,
            "atlas": path_of(ATLAS), "atlas_names": path_of(ATLAS_NAMES),
            "out": path_of(OUT), "allow_unlike": ALLOW_UNLIKE.value,
        }, takes="scans: SCAN.nii.gz ..., a folder of them, or none for the run's own subjects",
    ),
    "report": Verb(("workdir", "show-ids", "beside"), lambda _: {
        "workdir": workdir_of(WORKDIR), "show_ids": SHOW_IDS.value, "beside": BESIDE.value,
    }),
    "compare": Verb(("paper", "paired", "out"), lambda folders: {
        "folders": folders, "with_paper": PAPER.value, "only_paired": PAIRED.value, "out": path_of(OUT),
    }, needs="the folders of finished runs: DIR DIR ..."),
    "configs": Verb((), lambda _: {}),
    "show": Verb(("config",), lambda _: {"config": config_of(CONFIG)}),
}  # fmt: skip


def run() -> None:
    """Runs the verb that the command line names."""
    ARGV[:] = sys.argv
    command_line.run(VERBS, around=lambda _: workers_of(SCHEDULER.value))


def _with_shuffle(max_hours: float | None) -> float | None:
    """Returns it. Raises: UsageError for flags that audit takes for its training on shuffled labels alone."""
    given = [("max-hours", max_hours is not None), ("scheduler", bool(SCHEDULER.value))]
    if names := [name for name, is_given in given if is_given and not SHUFFLE.value]:
        raise UsageError(f"--{names[0]}: is for audit --shuffle, which trains; leave it out, or add --shuffle")
    return max_hours


def _chosen_config() -> dict[str, Any]:
    """Returns what the command line says of the config: its name, and other values of keys."""
    _, options = config_file.split_options(flags.FLAGS.read_flags_from_files(ARGV, force_gnu=False))
    values = config_flags.get_override_values(flags.FLAGS["config"]) if CONFIG.value else {}
    return {"config": options.get("config", ""), **{f"config.{key}": value for key, value in values.items()}}


def _workdir_or_default(suffix: str = ""):
    return workdir_of(WORKDIR, Path("runs", command_line.config_name(flags.FLAGS["config"]) + suffix))
