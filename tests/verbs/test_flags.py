"""Which verb takes which flag: every other one is refused by the name of those that take it, none is ignored."""

import contextlib
import re

import pytest
from absl import app, flags

import dynjax.arguments  # noqa: F401, for what it registers
from tests.command import PHANTOMS, ROOT, TINY, main

TAKEN = {
    "train": {"config", "workdir", "allow-refused", "max-hours", "scheduler"},
    "prepare": {"config", "workdir", "table", "out", "scheduler"},
    "check": {"config", "out", "scheduler"},
    "audit": {"config", "workdir", "shuffle", "allow-refused", "max-hours", "scheduler"},
    "evaluate": {
        *("workdir", "finished-folds", "subgroups", "table", "label-column", "description", "out"),
        *("allow-refused", "scheduler"),
    },
    "predict": {"workdir", "table", "out", "allow-unlike"},
    "explain": {
        *("workdir", "table", "method", "reference", "subjects", "atlas", "atlas-names", "out", "allow-unlike"),
    },
    "report": {"workdir", "show-ids", "beside"},
    "compare": {"paper", "paired", "out"},
    "configs": set(),
    "show": {"config"},
}
VALUES = {
    **{"config": "configs/dyn_alexnet.py", "config.seed": "1", "workdir": "w", "out": "o", "max-hours": "1"},
    **{
        "scheduler": "local",
        "table": "t.csv",
        "subgroups": "sex",
        "beside": "b",
        "label-column": "x",
        "description": "x",
    },
    **{"label-column": "c", "description": "d", "method": "cam", "reference": "middle", "subjects": "s"},
    **{"atlas": "a.nii.gz", "atlas-names": "a.tsv"},
    **dict.fromkeys(
        ("allow-refused", "allow-unlike", "shuffle", "finished-folds", "show-ids", "paper", "paired"), "true"
    ),
}


def test_the_table_has_every_flag():
    defined = set(re.findall(r'DEFINE_\w+\(\s*"([\w-]+)"', (ROOT / "dynjax" / "arguments.py").read_text()))
    assert defined == set.union(*TAKEN.values()) == set(VALUES) - {"config.seed"}


@pytest.mark.parametrize("verb", TAKEN)
def test_what_a_verb_does_not_take_is_refused_by_the_name_of_those_that_do(verb):
    given = [name for name in VALUES if name.partition(".")[0] not in TAKEN[verb]]
    done = main(verb, *(f"--{name}={VALUES[name]}" for name in given))
    expected = []
    for name in given:
        takers = ", ".join(other for other, flags in TAKEN.items() if name.partition(".")[0] in flags)
        expected.append(f"--{name}: is for {takers}, not for {verb}")
    assert (done.returncode, sorted(done.stderr.splitlines()), done.stdout) == (2, sorted(expected), "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--table=t.csv", *TINY), "--table: is for prepare, evaluate, predict, explain, not for train"),
        (("report", "--workdir", "w", "--nopaper"), "--paper: is for compare, not for report"),
        (
            ("predict", "--config.seed", "3", "--workdir=w", "a.nii"),
            "--config.seed: is for train, prepare, check, audit",
        ),
        (("compare", "--config.train.stream", "a", "b"), "--config.train.stream: is for train, prepare, check, audit"),
        (("--config.seed=3",), "--config.seed: --config=NAME is needed, whose key it is"),
        (
            (*TINY, "--config.train.epoch=3"),
            "--config.train.epoch: no such option; did you mean --config.train.epochs?",
        ),
        (("evaluate", "--workdir=w", "--table="), "--table=: nothing is given"),
        (("evaluate", "--workdir="), "--workdir=: nothing is given"),
        (("report", "--workdir=w", "--beside="), "--beside=: nothing is given"),
        (("check", *TINY, "--out="), "--out=: nothing is given"),
        ((*TINY, "--max-hours=nan"), "--max-hours=nan: must be a number, 0 or more"),
        ((*TINY, "--max-hours=-1"), "--max-hours=-1"),
        (
            ("--config.seed=3", *TINY),
            "--config.seed: must stand after --config=configs/dyn_alexnet.py, whose key it is",
        ),
        (
            ("show", "--config=tests/frozen/v1/run/config.json"),
            "--config=tests/frozen/v1/run/config.json: a config is a name or a file FILE.py, and no .json file",
        ),
        (("audit", *TINY, "--max-hours=0"), "--max-hours: is for audit --shuffle, which trains; leave it out, or add"),
        (("audit", *TINY, "--scheduler=local"), "--scheduler: is for audit --shuffle, which trains; leave it out, or"),
        (("audit", "--confg=x"), "--confg: there is no such flag; did you mean --config?"),
        (("audit", "--paprika", "soup", TINY[0]), "--paprika: there is no such flag; `dynjax audit --help`"),
        (("explode",), "no verb is called explode; `dynjax help` has all"),
        (("check", *TINY, "more"), "check takes no further arguments: more"),
        (("check", "--config="), "--config=: no such file or config"),
        ((*PHANTOMS, "--config=configs"), "--config=configs: no such file or config"),
    ],
)
def test_what_is_given_wrongly_is_said_before_any_work(arguments, said):
    done = main(*arguments)
    assert (done.returncode, done.stdout) == (2, "") and said in done.stderr and len(done.stderr.splitlines()) <= 2


with contextlib.suppress(flags.DuplicateFlagError):
    app.define_help_flags()  # as each command does
OF_ABSL = sorted({*flags.FLAGS, "undefok"} - {"flagfile", *VALUES, "help", "helpshort", "helpfull", "?"})


@pytest.mark.parametrize("name", OF_ABSL)
def test_what_absl_adds_is_no_flag_of_dynjax(name):
    """Except --help, and --flagfile, of which the documentation speaks."""
    for word in (f"--{name}", f"--{name}=1", f"--no{name}", f"-{name}"):
        done = main("show", word, *TINY)
        said = word.lstrip("-").partition("=")[0]
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert done.stderr.startswith(f"--{said}: there is no such flag; "), done.stderr


def test_absl_adds_flags():
    assert {"v", "pdb", "only_check_args", "helpxml", "undefok", "log_dir"} <= set(OF_ABSL)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--flagfile=nowhere",), 3, "--flagfile=nowhere: cannot be read (No such file or directory); name a file"),
        (("--flagfile", "tests"), 3, "--flagfile=tests: cannot be read (Is a directory); name a file with a flag on"),
        (("--flagfile",), 2, "--flagfile with no argument"),
    ],
)
def test_a_file_of_flags_that_cannot_be_read_is_said(arguments, code, said):
    done = main("show", *arguments)
    assert (done.returncode, done.stdout) == (code, "") and done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_flags_may_stand_in_a_file(tmp_path):
    (tmp_path / "flags").write_text("--table=t.csv\n--config=configs/dyn_alexnet.py\n")
    done = main(f"--flagfile={tmp_path / 'flags'}")
    assert (done.returncode, done.stderr) == (2, "--table: is for prepare, evaluate, predict, explain, not for train\n")
