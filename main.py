"""dynjax on the command line.

python main.py [train] --config=configs/dyn_vgg11.py[:VARIANT] [--workdir=DIR] [--config.SECTION.KEY=VALUE ...]
python main.py prepare --config=... --out=DIR
python main.py prepare --workdir=DIR SCAN.nii.gz|FOLDER ... [--table=scans.csv] --out=DIR2
python main.py check --config=... [--out=FILE.json]
python main.py evaluate --workdir=DIR [--finished-folds] [--subgroups=COLUMN,...]
               [--table=OTHER.csv --out=DIR2 [--label-column=COLUMN] [--description=PATTERN]]
python main.py predict --workdir=DIR SCAN.nii.gz|FOLDER ... [--table=scans.csv] [--out=FILE.csv] [--allow-unlike]
python main.py explain --workdir=DIR [SCAN.nii.gz|FOLDER ...] [--table=scans.csv] [--subjects=ID,ID] [--method=METHOD]
               [--reference=REFERENCE] [--atlas=FILE.nii.gz [--atlas-names=FILE.tsv]] [--out=DIR2] [--allow-unlike]
python main.py audit --config=... [--workdir=DIR] [--shuffle]
python main.py report --workdir=DIR [--show-ids] [--beside=DIR,DIR]
python main.py compare DIR DIR ... [--paper] [--paired] [--out=FILE.csv|FILE.tex|FILE.html]
"""

from pathlib import Path

from absl import flags
from ml_collections import config_flags

from dynjax import command_line
from dynjax.command_line import Verb, config_of, path_of, workdir_of
from dynjax.memory import keep_freed_memory
from dynjax.work.cluster import workers_of

CONFIG = config_flags.DEFINE_config_file("config", None, "the experiment: FILE.py or FILE.py:VARIANT")
WORKDIR = flags.DEFINE_string("workdir", None, "the run's folder; train's default is runs/<config>[-<variant>]")
OUT = flags.DEFINE_string(
    "out", None, "the file (.csv, .json, .tex, .html) or, for prepare, evaluate and explain, the folder to write"
)
ALLOW_REFUSED = flags.DEFINE_bool("allow-refused", False, "train, evaluate: exclude refused scans, and count them")
MAX_HOURS = flags.DEFINE_float("max-hours", None, "train: save and stop (exit code 75) after so many hours", 0)
flags.register_validator("max-hours", lambda hours: hours is None or hours >= 0, "must be a number, 0 or more")
ALLOW_UNLIKE = flags.DEFINE_bool(
    "allow-unlike", False, "predict, explain: answer scans, too, that are unlike all training scans"
)
FINISHED_FOLDS = flags.DEFINE_bool("finished-folds", False, "evaluate: score only the folds that are trained")
SHUFFLE = flags.DEFINE_bool(
    "shuffle", False, "audit: also train on shuffled labels, in --workdir: the AUC should be 0.5"
)
SUBGROUPS = flags.DEFINE_list("subgroups", [], "evaluate: further columns of the scan table to estimate by")
TABLE = flags.DEFINE_string(
    "table", "", "evaluate: the scan table of another cohort; prepare, predict, explain: a CSV of scans, in column path"
)
LABEL_COLUMN = flags.DEFINE_string("label-column", "", "evaluate: the column of labels in --table")
DESCRIPTION = flags.DEFINE_string("description", "", "evaluate: the series or files of --table, cohort.description")
SHOW_IDS = flags.DEFINE_bool("show-ids", False, "report: show subject ids instead of numbers")
BESIDE = flags.DEFINE_list("beside", [], "report: folders of runs to compare with; default: the baselines'")
METHOD = flags.DEFINE_string(
    "method", "gradients", "explain: gradients, cam, gradcam, occlusion or attention; docs/explaining.md describes each"
)
REFERENCE = flags.DEFINE_string("reference", "", "explain: with what gradients and occlusion compare a scan")
SUBJECTS = flags.DEFINE_list("subjects", [], "explain: only these subjects of the run")
ATLAS = flags.DEFINE_string("atlas", "", "explain: a NIfTI file of numbered regions, over which maps are summed")
ATLAS_NAMES = flags.DEFINE_string("atlas-names", "", "explain: a .tsv with the columns index and name, of the regions")
SCHEDULER = flags.DEFINE_string(
    "scheduler", "", "tcp://HOST:8786 or local: a Dask scheduler whose workers read the scans"
)
PAPER = flags.DEFINE_bool("paper", False, "compare: also show the paper's figures (ADNI)")
PAIRED = flags.DEFINE_bool("paired", False, "compare: exit 3 unless every run can be paired with the first")

# The flags of each verb, and what it does with them: the arguments of dynjax.verbs.<verb>.<verb>.
VERBS = {
    "train": Verb(("config", "workdir", "allow-refused", "max-hours", "scheduler"), lambda _: {
        "config": config_of(CONFIG), "workdir": _workdir_or_default(),
        "allow_refused": ALLOW_REFUSED.value, "max_hours": MAX_HOURS.value,
    }),
    "prepare": Verb(("config", "workdir", "table", "out", "scheduler"), lambda scans: {
        "config": config_of(CONFIG) if CONFIG.value or not WORKDIR.value else None, "out": path_of(OUT),
        "workdir": workdir_of(WORKDIR) if WORKDIR.value else None, "scans": scans, "table": TABLE.value,
    }, takes="with --workdir, raw scans without labels: SCAN.nii.gz ..., or a folder of them"),
    "check": Verb(("config", "out", "scheduler"), lambda _: {"config": config_of(CONFIG), "out": path_of(OUT)}),
    "audit": Verb(("config", "workdir", "shuffle", "allow-refused"), lambda _: {
        "config": config_of(CONFIG), "allow_refused": ALLOW_REFUSED.value,
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
}  # fmt: skip


def _workdir_or_default(suffix: str = ""):
    return workdir_of(WORKDIR, Path("runs", command_line.config_name(flags.FLAGS["config"]) + suffix))


if __name__ == "__main__":
    keep_freed_memory()
    command_line.run(VERBS, around=lambda _: workers_of(SCHEDULER.value))
