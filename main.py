"""dynjax on the command line.

python main.py [train] --config=configs/dyn_vgg11.py[:VARIANT] [--workdir=DIR] [--config.SECTION.KEY=VALUE ...]
python main.py check --config=... [--out=FILE.json]
python main.py evaluate --workdir=DIR [--finished-folds]
python main.py predict --workdir=DIR SCAN.nii.gz ... [--out=FILE.csv]
python main.py audit --config=configs/dyn_vgg11.py[:VARIANT] [--workdir=DIR] [--config.SECTION.KEY=VALUE ...]
python main.py compare DIR DIR ... [--paper] [--paired] [--out=FILE.csv|FILE.tex]
"""

from pathlib import Path

from absl import flags
from ml_collections import FrozenConfigDict, config_flags

from dynjax.errors import UsageError
from dynjax.experiment import command_line

CONFIG = config_flags.DEFINE_config_file("config", None, "what to train or audit: FILE.py or FILE.py:VARIANT")
WORKDIR = flags.DEFINE_string("workdir", None, "the run's folder; train: runs/<config>[-<variant>] by default")
OUT = flags.DEFINE_string("out", None, "the file to write: predict's .csv, check's .json, compare's .csv or .tex")
ALLOW_REFUSED = flags.DEFINE_bool("allow-refused", False, "train: go on without scans that are refused, and count them")
FINISHED_FOLDS = flags.DEFINE_bool("finished-folds", False, "evaluate: score the folds that are trained, not yet all")
PAPER = flags.DEFINE_bool("paper", False, "compare: the paper's figures, of ADNI, beside those of the runs")
PAIRED = flags.DEFINE_bool("paired", False, "compare: exit 3 unless all can be tested against the first, by subject")


def train() -> None:
    from dynjax.experiment.train import train
    from dynjax.experiment.workdir import Workdir

    config = _required_config()
    workdir = WORKDIR.value or Path("runs", command_line.config_name(flags.FLAGS["config"]))
    train(config, Workdir(workdir), ALLOW_REFUSED.value)


def check() -> None:
    from dynjax.experiment.check import check

    check(_required_config(), _out())


def evaluate() -> None:
    from dynjax.experiment.evaluate import evaluate
    from dynjax.experiment.workdir import Workdir

    evaluate(Workdir(_required_workdir()), FINISHED_FOLDS.value)


def predict(*scans: str) -> None:
    from dynjax.experiment.predict import predict
    from dynjax.experiment.workdir import Workdir

    if not scans:
        raise UsageError("predict needs at least one scan: predict --workdir=DIR SCAN.nii.gz ...")
    predict(Workdir(_required_workdir()), scans, _out())


def audit() -> None:
    from dynjax.experiment.audit import audit
    from dynjax.experiment.workdir import Workdir

    audit(_required_config(), Workdir(WORKDIR.value) if WORKDIR.value else None)


def compare(*folders: str) -> None:
    from dynjax.experiment.compare import compare

    if not folders:
        raise UsageError("compare needs the folders of finished runs: compare DIR DIR ...")
    compare(folders, PAPER.value, PAIRED.value, _out())


def _required_config() -> FrozenConfigDict:
    if CONFIG.value is None:
        raise UsageError("--config=configs/NAME.py is needed; configs/README.md lists them")
    return FrozenConfigDict(CONFIG.value)


def _out() -> Path | None:
    return Path(OUT.value) if OUT.value else None


def _required_workdir() -> str:
    if not WORKDIR.value:
        raise UsageError("--workdir=DIR is needed, the folder of a trained run")
    return WORKDIR.value


VERBS = {
    "train": train,
    "check": check,
    "audit": audit,
    "evaluate": evaluate,
    "predict": predict,
    "compare": compare,
}


def main(arguments: list[str]) -> None:
    verb, *rest = arguments or ["train"]
    if verb not in VERBS:
        raise UsageError(f"no verb is called {verb!r}; there are {', '.join(VERBS)}")
    if rest and verb not in ("predict", "compare"):
        raise UsageError(f"{verb} takes no further arguments: {' '.join(rest)}")
    VERBS[verb](*rest)


if __name__ == "__main__":
    command_line.run(main)
