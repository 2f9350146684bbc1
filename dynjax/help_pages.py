"""The words of `dynjax help`: what each verb does, how it is called, two examples and what its exit codes mean."""

from collections.abc import Mapping
from typing import NamedTuple

CODES = {
    0: "done",
    1: "the run itself failed (a full disk, say); everything saved is kept",
    2: "wrong usage or config, or a folder that is in use",
    3: "a file is missing or refused",
    75: "stopped, with everything saved: the same command continues",
}
SHORT = {0: CODES[0], 2: "wrong usage or config"}


class Page(NamedTuple):
    """Holds the words of a verb's help.

    summary: a sentence, for the list of verbs. more: what else one has to know. usage: what follows the verb.
    flags: for flags that mean something else than in other verbs, their (value, help). sample: lines to be copied.
    """

    summary: str
    usage: str
    examples: tuple[str, ...]
    more: str = ""
    flags: Mapping[str, tuple[str, str]] = {}
    codes: Mapping[int, str] = CODES
    sample: str = ""


CONFIG = "--config=CONFIG [--config.KEY=VALUE ...]"
OWN_CONFIG = """\
a config of your own, in a file that --config=FILE.py names:
  from configs.base import experiment


  def get_config(variant=""):
      changes = {"cohort.table": "scans.csv", "model.name": "resnet18"}
      return experiment(changes, variant, quick_epochs=10)"""
RUN_AGAIN = "The same command again continues a run that was stopped, and does nothing to one that is finished."

# In the order in which a study needs them.
PAGES = {
    "configs": Page(
        "Lists the configs that come with dynjax.",
        "",
        ("configs", "train --config=best"),
        "A config is an experiment, and a variant a small change of it.",
        codes=SHORT,
        sample=OWN_CONFIG,
    ),
    "show": Page(
        "Prints the config that a run would have, with every key.",
        CONFIG,
        ("show --config=dyn_vgg11:quick", "show --config=best --config.cohort.table=scans.csv"),
        codes=SHORT,
    ),
    "prepare": Page(
        "Turns raw T1 scans into volumes that fit the grid.",
        "(--config=CONFIG | --workdir=RUN SCAN ...) --out=DIR",
        (
            "prepare --config=best --config.cohort.table=raw.csv --out=prepared",
            "prepare --workdir=runs/best raw/*.nii.gz --out=new",
        ),
        "Registers each scan to MNI space and strips its skull; needs pip install 'dynjax[preprocess]'. "
        "With --workdir, scans need no label and get the grid of that run; a folder stands for all scans in it.",
        {
            "out": ("DIR", "the folder to write: the volumes, and scans.csv, which lists them"),
            "workdir": ("RUN", "the run whose grid the scans get"),
            "table": ("FILE.csv", "with --workdir, further scans: a CSV with the column path"),
        },
        CODES | {3: "a scan is missing or refused; the others are prepared"},
    ),
    "check": Page(
        "Gives a verdict on every scan before anything expensive starts.",
        f"{CONFIG} [--out=FILE.json]",
        (
            "check --config=best --config.cohort.table=scans.csv",
            "check --config=best --config.cohort.table=scans.csv --out=verdicts.json",
        ),
        flags={"out": ("FILE.json", "also write the verdicts, as JSON")},
        codes=CODES | {3: "a scan is refused, or the table is missing"},
    ),
    "audit": Page(
        "Looks for leaks between folds, and for what is associated with the label.",
        f"{CONFIG} [--workdir=DIR] [--shuffle]",
        (
            "audit --config=best --config.cohort.table=scans.csv",
            "audit --shuffle --config=best --config.cohort.table=scans.csv",
        ),
        flags={
            "workdir": ("DIR", "audit the folds of this run; with --shuffle, the folder to train in"),
            "max-hours": ("HOURS", "with --shuffle, save and stop (exit code 75) after so many hours"),
            "scheduler": ("ADDRESS", "with --shuffle, a Dask scheduler, as train takes it"),
        },
        codes=CODES | {3: "there is a leak, or a file is missing or refused"},
    ),
    "train": Page(
        "Trains and evaluates a config in every fold.",
        f"{CONFIG} [--workdir=DIR]",
        (
            "train --config=dyn_mobilenet_v2:quick",
            "train --config=best --config.cohort.table=scans.csv --workdir=runs/best",
        ),
        "Without --config.cohort.table, the subjects are SYNTHETIC phantoms. " + RUN_AGAIN,
        flags={"workdir": ("DIR", "the run's folder; by default runs/NAME or runs/NAME-VARIANT")},
    ),
    "evaluate": Page(
        "Scores a run's networks again, or on another cohort.",
        "--workdir=DIR [--table=TABLE --out=DIR]",
        (
            "evaluate --workdir=runs/best --subgroups=scanner",
            "evaluate --workdir=runs/best --table=other.csv --out=runs/elsewhere",
        ),
        flags={
            "out": ("DIR", "the new folder for the scores on --table"),
            "table": ("FILE.csv", "the scan table of another cohort, scored into --out=DIR"),
        },
    ),
    "predict": Page(
        "Answers new scans: the mean probability of the folds' networks.",
        "--workdir=DIR SCAN.nii.gz ... [--out=FILE.csv]",
        (
            "predict --workdir=runs/best new/*.nii.gz",
            "predict --workdir=runs/best --table=new.csv --out=answers.csv",
        ),
        "A scan that is unlike all training scans gets no answer. A folder stands for all scans in it.",
        {"out": ("FILE.csv", "also write the answers, as CSV")},
        CODES | {3: "a scan is missing or refused; the others are answered"},
    ),
    "explain": Page(
        "Maps which voxels speak for an answer.",
        "--workdir=DIR [SCAN.nii.gz ...]",
        (
            "explain --workdir=runs/best --subjects=sub-01,sub-02",
            "explain --workdir=runs/best new.nii.gz --out=maps",
        ),
        "Without scans, it explains the run's own subjects, by the networks that never saw them.",
        {
            "out": ("DIR", "the folder to write; by default WORKDIR/explanation, which report shows"),
            "subjects": ("ID,...", "without scans: only these subjects of the run"),
            "atlas": ("FILE.nii.gz", "without scans: a NIfTI file of numbered regions, over which maps are summed"),
            "atlas-names": ("FILE.tsv", "with --atlas: a .tsv with the columns index and name, of the regions"),
            "allow-unlike": ("", "with scans: also explain those that are unlike all training scans"),
        },
        CODES | {3: "a file is missing or refused; the other scans are explained"},
    ),
    "report": Page(
        "Writes the page and the model card of a finished run.",
        "--workdir=DIR [--beside=DIR,...]",
        (
            "report --workdir=runs/best",
            "report --workdir=runs/best --beside=runs/dyn_vgg11,runs/baseline_svm",
        ),
    ),
    "compare": Page(
        "Prints finished runs side by side, and tests each against the first.",
        "DIR DIR ... [--out=FILE]",
        (
            "compare runs/best runs/baseline_svm",
            "compare runs/best runs/baseline_svm --paired --out=table.tex",
        ),
        flags={"out": ("FILE", "also write the table, as .csv, .tex or .html")},
        codes=CODES | {3: "a run is missing or unfinished or, with --paired, cannot be paired"},
    ),
}
