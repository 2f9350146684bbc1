"""The command as a new user meets it: its help, the configs that it knows by name, and what it says to mistakes."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from dynjax import __version__
from dynjax.config_names import config_files, summary_of
from dynjax.help_pages import PAGES
from tests.command import KEPT, PHANTOMS, ROOT, TINY, VERBS, Forked, main
from tests.verbs.test_flags import TAKEN

NO_JAX = """
import sys
from dynjax.__main__ import main
try:
    main()
finally:
    sys.stderr.write(" ".join({"jax", "numpy", "sklearn"} & set(sys.modules)))
"""
CONFIG = "from configs.base import experiment\n\n\ndef get_config(variant=''):\n    return experiment({}, variant, 1)\n"
TELLS = "import os, sys\nprint(os.environ['GLIBC_TUNABLES'], *sys.argv[1:], file=sys.stderr)\n"


def elsewhere(folder, *arguments):
    """Runs the command from another folder; returns (exit code, standard output, standard error)."""
    process = Forked(ROOT / "main.py", arguments, os.environ | KEPT, folder)
    said, complaints = process.communicate(timeout=600)
    return process.returncode, said, complaints


@pytest.mark.parametrize("verb", TAKEN)
def test_help_has_a_verbs_own_flags_two_examples_and_the_exit_codes(verb):
    done = main(verb, "--help")
    flags = set(re.findall(r"^  --([\w.-]+)", done.stdout, re.MULTILINE))
    assert (done.returncode, done.stderr, flags - {"config.KEY"}) == (0, "", TAKEN[verb])
    assert ("config.KEY" in flags) == ("config" in TAKEN[verb])
    assert done.stdout.startswith(f"usage: dynjax {verb}") and PAGES[verb].summary in " ".join(done.stdout.split())
    examples = re.findall(r"^  dynjax (.*)", done.stdout, re.MULTILINE)
    assert len(examples) == 2 and any(example.startswith(verb) for example in examples)
    assert re.findall(r"^  (\d+) ", done.stdout, re.MULTILINE) in (["0", "2"], ["0", "1", "2", "3", "75"])
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("example", [example for page in PAGES.values() for example in page.examples])
def test_examples_can_be_given_as_they_stand(example):
    verb, *words = shlex.split(example)
    assert {flag.partition(".")[0] for flag in re.findall(r"--([\w.-]+)", example)} <= TAKEN[verb]
    named = [word.removeprefix("--config=") for word in words if word.startswith("--config=")]
    assert all(name.partition(":")[0] in config_files() for name in named)


def test_every_way_to_ask_for_help_gives_the_same():
    overview, of_train = main().stdout, main("train", "--help").stdout
    for words in (("--help",), ("-h",), ("help",), ("help", "--help"), ("--workdir=w", "--help")):
        assert main(*words).stdout == overview
    for words in (("help", "train"), ("train", "-h"), ("--help", "train"), ("train", *TINY, "--helpfull")):
        assert main(*words).stdout == of_train
    assert set(PAGES) == set(VERBS) and all(f"\n  {verb} " in overview for verb in VERBS)
    assert max(map(len, overview.splitlines())) <= 80
    assert main("--version").stdout == f"dynjax {__version__}\n"
    assert main("predict", "--workdir=nowhere", "--", "--help").returncode == 3  # a scan of that name


@pytest.mark.parametrize("words", [(), ("train", "--help"), ("--version",), ("configs",)])
def test_help_loads_nothing_that_takes_long(words):
    command = [sys.executable, "-c", NO_JAX, *words]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | KEPT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout


@pytest.mark.parametrize("program", [("main.py",), ("-m", "dynjax")])
def test_the_command_starts_again_with_its_own_arguments(program, tmp_path):
    (tmp_path / "mine.py").write_text(TELLS + CONFIG)
    arguments = ("show", f"--config={tmp_path / 'mine.py'}", "--config.cohort.table=a b.csv")
    world = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    command = [sys.executable, *program, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=world, capture_output=True, text=True, check=False)
    tunables, *told = done.stderr.splitlines()[0].split(" ", 1)
    assert done.returncode == 0 and told == [" ".join(arguments)] and "glibc.malloc.mmap_max=0" in tunables
    assert json.loads(done.stdout)["cohort"]["table"] == str(ROOT / "a b.csv")


def test_a_config_is_found_by_its_name_from_any_folder(tmp_path):
    by_path = main("show", "--config=configs/dyn_vgg11.py:quick", "--config.seed=3")
    code, said, complaints = elsewhere(tmp_path, "show", "--config", "dyn_vgg11:quick", "--config.seed", "3")
    assert (code, complaints, said) == (0, "", by_path.stdout) and json.loads(said)["seed"] == 3
    (tmp_path / "dyn_vgg11").write_text(CONFIG.replace("{}", "{'seed': 5}"))
    assert json.loads(elsewhere(tmp_path, "show", "--config=dyn_vgg11")[1])["seed"] == 5  # a file is preferred


def test_show_prints_what_the_run_writes_down(run):
    done = main("show", *TINY, *PHANTOMS)
    assert (done.returncode, done.stdout) == (0, (run[0] / "config.json").read_text())


def test_configs_are_listed_with_a_sentence_and_their_variants():
    done = main("configs")
    entries = re.split(r"\n(?=\S)", done.stdout.partition("\n\n")[0])
    listed = {name: " ".join(words) for name, *words in (entry.split() for entry in entries)}
    assert set(listed) == {path.stem for path in (ROOT / "configs").glob("*.py")} - {"base"}
    for name, text in listed.items():
        sentence, _, variants = text.partition(" variants: ")
        assert sentence == summary_of(ROOT / "configs" / f"{name}.py") and sentence.endswith(".")
        assert "skull" in variants.split(", ") and ("quick" in variants) != name.startswith(("baseline", "best"))
    assert max(map(len, done.stdout.splitlines())) <= 80


MISTAKES = [  # what a new user types, the exit code, and the one line that is said
    ("trian --config=best", 2, "no verb is called trian; did you mean train?"),
    ("help trian", 2, "no verb is called trian; did you mean train?"),
    ("best:quick", 2, "no verb is called best:quick; did you mean --config=best:quick?"),
    ("train", 2, "--config=NAME is needed; `dynjax configs` lists the names"),
    ("train best", 2, "train takes no further arguments: best; did you mean --config=best?"),
    ("report dynjax", 2, "report takes no further arguments: dynjax; did you mean --workdir=dynjax?"),
    ("train config=best", 2, "train takes no further arguments: config=best; did you mean --config=best?"),
    ("train --confg=best", 2, "--confg: there is no such flag; did you mean --config?"),
    ("train --config=best --max_hours=3", 2, "--max_hours: there is no such flag; did you mean --max-hours?"),
    ("train --config=best --verbose", 2, "--verbose: there is no such flag; `dynjax train --help` lists all"),
    ("train --config=dyn_vgg", 2, "--config=dyn_vgg: no such file or config; did you mean --config=dyn_vgg11?"),
    ("train --config=elsewhere.py", 2, "--config=elsewhere.py: no such file or config; `dynjax configs` lists all"),
    ("train --config=best:qick", 2, "no variant is called 'qick'; there are quick, skull, noatt, released; a comma"),
    ("train --config=best --config.seeed=1", 2, "--config.seeed: no such option; did you mean --config.seed?"),
    ("train --config=best --config.train=3", 2, "--config.train: is a section of the config; give a key of it, --con"),
    ("train --config=best --config.seed=one", 2, "--config.seed=one: must be a whole number, 0 to 4294967295"),
    ("train --config=best --max-hours=soon", 2, "--max-hours=soon: must be a non-negative number"),
    ("train --config=best --allow-refused=some", 2, "--allow-refused=some: must be true or false"),
    ("train --config=best --out=a", 2, "--out: is for prepare, check, evaluate, predict, explain, compare, not for tr"),
    ("check --config=best --config.cohort.table=no.csv", 3, "{root}/no.csv: no such file; correct its path"),
    ("predict scan.nii.gz", 2, "--workdir=DIR is needed, the folder of a trained run"),
    ("predict --workdir=nowhere a.nii", 3, "{root}/nowhere: no such folder; --workdir is the folder of a trained run"),
    ("predict --workdir={tmp}/a.nii.gz a.nii", 3, "{tmp}/a.nii.gz: no folder; --workdir is the folder of a trained r"),
    ("report --workdir=configs", 3, "{root}/configs: holds no run, for there is no config.json; --workdir is the"),
    ("compare", 2, "compare needs the folders of finished runs: DIR DIR ..."),
]


@pytest.mark.parametrize(("command", "code", "said"), MISTAKES, ids=[command for command, _, _ in MISTAKES])
def test_a_mistake_gets_one_line_that_helps(command, code, said, tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"")
    done = main(*(word.format(tmp=tmp_path) for word in command.split()))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert done.stderr.startswith(said.format(root=ROOT, tmp=tmp_path))
