"""What users can cause is one message; a mistake of ours keeps its traceback, wherever it is made."""

import ast
import os
import re
import shutil

import pytest

from tests.command import KEPT, PHANTOMS, ROOT, TINY, Forked, main
from tests.test_layers import FILES

TAKE_ALL = {  # functions that handle any error, and why they may
    "dynjax/work/cluster.py:_outcome",  # it is raised again in the thread that asked for the result
    "dynjax/training/processes.py:first_then_others",  # and raises it again
    "dynjax/volumes/header.py:_nifti_type",  # of one call of nibabel's, which raises several types
}
PLANT = """
import importlib, runpy, sys
module, name = sys.argv.pop(1).split(":")

def plant(*_, **__):
    raise AssertionError("planted")

setattr(importlib.import_module(module), name, plant)
sys.argv[0] = "main.py"
runpy.run_path("main.py", run_name="__main__")
"""
HERE = ("--config.train.folds=2", "--config.train.epochs=1", "--workdir={tmp}/w")
PLANTED = [  # module:name, and a command that comes there
    ("dynjax.run.keys:ConfigDict", ("check", *TINY)),
    ("dynjax.command_line:path_of", ("check", *TINY)),
    ("dynjax.run.data:load_cohort", ("check", *TINY, *PHANTOMS)),
    ("dynjax.run.checking:inspect_scan", ("check", *TINY, *PHANTOMS)),
    ("dynjax.verbs.check:write_text", ("check", *TINY, *PHANTOMS, "--out={tmp}/a.json")),
    ("dynjax.run.data:load_cohort", ("audit", *TINY, *PHANTOMS)),
    ("dynjax.verbs.prepare:find_cohort", ("prepare", *TINY, *PHANTOMS, "--out={tmp}/p")),
    ("dynjax.run.crossvalidation:find_folds", (*TINY, *PHANTOMS, *HERE)),
    ("dynjax.projection.store:read_content", (*TINY, *PHANTOMS, *HERE)),
    ("dynjax.training.checkpoint:write_text", (*TINY, *PHANTOMS, *HERE)),
    ("dynjax.run.scoring:write_answers", (*TINY, *PHANTOMS, *HERE)),
    ("dynjax.verbs.predict:load_networks", ("predict", "--workdir={run}", "a.nii.gz")),
    ("dynjax.run.scoring:load_trained", ("evaluate", "--workdir={run}")),
    ("dynjax.verbs.report:run_page", ("report", "--workdir={run}")),
    ("dynjax.run.compared:read_results", ("compare", "{run}")),
]


def handlers(path):
    """The functions of a file that handle errors of every kind."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        inner = ast.walk(function) if isinstance(function, ast.FunctionDef) else ()
        for handler in (node for node in inner if isinstance(node, ast.ExceptHandler)):
            named = ast.unparse(handler.type) if handler.type else "BaseException"
            if {"Exception", "BaseException"} & set(re.findall(r"[\w.]+", named)):
                yield f"{path.relative_to(ROOT)}:{function.name}"


def test_no_function_handles_every_error():
    assert {name for path in (*FILES, ROOT / "main.py") for name in handlers(path)} <= TAKE_ALL


def users_of(pattern):
    """The files that have an expression of that kind."""
    for path in FILES:
        if re.search(pattern, path.read_text(encoding="utf-8")):
            yield str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        (r"(?<!os\.path)\.expanduser\(", set()),  # a ~ that is no user's is an error: os.path.expanduser leaves it
        (r"\bflock\(", {"dynjax/files.py"}),  # a file system without locks: `lock`
        (r"\bsysconf\(", {"dynjax/memory.py"}),  # the limit of a job: `usable_memory`
        (r"\bPath\.home\(|DYNJAX_CACHE\"\]|XDG_CACHE_HOME\"\]", set()),  # no home: `cache_folder`
        (  # of folders
            r"can_be_written\(",
            {
                "dynjax/files.py",
                "dynjax/run/workdir.py",
                *(f"dynjax/verbs/{verb}.py" for verb in ("explain", "prepare")),
            },
        ),
        (
            r"check_output\(",
            {"dynjax/files.py", *(f"dynjax/verbs/{verb}.py" for verb in ("check", "compare", "predict"))},
        ),
    ],
)
def test_one_place_alone_knows_what_can_go_wrong(pattern, files):
    assert set(users_of(pattern)) == files


SLOW = {"prepare": pytest.mark.slow}  # for `make test-slow`, which installs SimpleITK
CASES = [pytest.param(*case, marks=SLOW.get(case[1][0], ()), id=f"{case[0]} {case[1][0]}") for case in PLANTED]


@pytest.mark.parametrize(("place", "command"), CASES)
def test_a_mistake_of_ours_shows_where_it_is(place, command, run, tmp_path):
    if command[0] == "prepare":
        pytest.importorskip("SimpleITK")
    (tmp_path / "plant.py").write_text(PLANT)
    run = shutil.copytree(run[0], tmp_path / "run") if "{run}" in " ".join(command) else run[0]
    arguments = [argument.format(tmp=tmp_path, run=run) for argument in command]
    process = Forked(tmp_path / "plant.py", (place, *arguments), os.environ | KEPT, ROOT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 1 and "Traceback" in said and "AssertionError: planted" in said, said


GOOD = "from configs.base import experiment\n\n\n"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (GOOD + "def get_config(variant):\n    return experiment({}, variant, 10)\n", 3, "nowhere.csv"),
        (GOOD + "def get_config():\n    return experiment({}, '', 10)\n", 3, "nowhere.csv"),
        (GOOD + "get_config = lambda variant='': experiment({}, variant, 10)\n", 3, "nowhere.csv"),
        ("def get_config(variant=''):\n    pass\n", 2, "get_config() must return a ConfigDict, but returns None"),
        ("def get_config(variant=''):\n    return {'seed': 1}\n", 2, "must return a ConfigDict, but returns a dict"),
        ("def get_config(a, b):\n    return None\n", 2, "TypeError: get_config() missing 1 required"),
        ("def get_config(:\n", 2, "SyntaxError: invalid syntax"),
        ("import nothing_of_this_name\n", 2, "line 1: ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("seed = 1\n", 2, "has no function get_config()"),
        ("get_config = 3\n", 2, "has no function get_config()"),
        ("def get_config():\n    raise ValueError('a\\nb')\n", 2, "line 2: ValueError: a b"),
        ("import sys\nsys.exit()\n", 2, "line 2: SystemExit"),
        ("def get_config():\n    raise SystemExit(0)\n", 2, "line 2: SystemExit: 0"),
        ("def get_config():\n    exit('mine')\n", 2, "line 2: SystemExit: mine"),
        ("def get_config():\n    return get_config()\n", 2, "line 2: RecursionError: maximum recursion"),
        ("raise ExceptionGroup('both', [ValueError(1)])\n", 2, "line 1: ExceptionGroup: both (1 sub-exception)"),
        ("import csv\ncsv.reader(3)\n", 2, "line 2: TypeError"),
        ("open('nowhere.csv')\n", 2, "line 1: FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.csv'"),
        ("def get_config():\n    assert False, 'mine'\n", 2, "line 2: AssertionError: mine"),
        (GOOD + "def get_config():\n    return experiment({'modle.name': 'x'}, '', 1)\n", 2, "line 5: KeyError"),
        (GOOD + "def get_config():\n    return experiment({}, 'fast', 1)\n", 2, "no variant is called 'fast'"),
        (GOOD + "def get_config():\n    c = experiment({}, '', 1)\n    del c.train\n    return c\n", 2, "train.epochs"),
        (
            GOOD + "def get_config():\n    c = experiment({}, '', 1)\n    c.train.epochs = 0\n    return c\n",
            2,
            "=0: must",
        ),
        (
            "from ml_collections import config_dict\n"
            + GOOD
            + "def get_config():\n    c = experiment({}, '', 1)\n    with c.ignore_type():\n"
            "        c.seed = config_dict.required_placeholder(int)\n    return c\n",
            2,
            "RequiredValueError",
        ),
        (b"\xff\xfe\x00", 2, "SyntaxError"),
    ],
)
def test_a_config_file_of_a_users_own(text, code, said, tmp_path):
    path = tmp_path / "mine.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = main("check", f"--config={path}", *(["--config.cohort.table=nowhere.csv"] if code == 3 else []))
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1 + done.stderr.count("\n  ")), done.stderr
    assert said in done.stderr and (
        code == 3 or str(path) in done.stderr or "cannot be used" in done.stderr or "variant" in said
    )


def test_a_variant_that_a_config_does_not_take(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD + "def get_config():\n    return experiment({}, '', 10)\n")
    done = main("check", f"--config={path}:quick")
    assert done.returncode == 2 and "TypeError: get_config() takes 0 positional arguments" in done.stderr
