"""What a hostile user, folder, disk or terminal does to each verb: one line, the code that belongs to it, no harm."""

import contextlib
import csv
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dynjax.cohort.phantom.download import phantom_cohort
from dynjax.cohort.table import load_cohort
from tests.command import PHANTOMS, ROOT, TINY, anew, main
from tests.together import made_once

CHECK = ("check", *TINY, "--config.cohort.table={w}/scans.csv")
TRAIN = (*TINY, "--config.cohort.table={w}/scans.csv")
QUICK = ("a terminal of ASCII", "train on a GPU that is not there")  # the others that start Python anew are slow
SLOW = (
    *("training without a cache", "no home", "a scheduler that is not there", "a memory that is too small"),
    *("a disk that fills within a checkpoint", "a terminal of ASCII"),
)
LEGACY = os.fsdecode(b"l\xe9gacy")  # a folder of an old share, in Latin-1
LEGACY_TABLE = f"--config.cohort.table={{w}}/{LEGACY}/scans.csv"


class Case(NamedTuple):
    """Something that is done to the command line; {w}, {run} and {tmp} stand for folders.

    said: what stands in its messages. lines: how many lines of messages there are at most; warnings are not counted.
    """

    name: str
    arguments: tuple[str, ...]
    code: int
    said: str
    how: dict[str, Any] = {}  # noqa: RUF012, of `main` or, with anew=True, of `anew`
    lines: int = 1


CASES = [
    # a workdir that is none
    *(
        Case(f"{verb} of {what}", (*arguments, f"--workdir={{w}}/{where}"), 3, said)
        for what, where, said in (
            ("a folder that is not there", "nowhere", "no such folder; --workdir is the folder of a trained run"),
            ("a file", "scans.csv", "no folder; --workdir is the folder of a trained run"),
            ("a folder of other files", "scans", "holds no run, for there is no config.json"),
            ("a pipe", "pipe", "no folder; --workdir"),
        )
        for verb, arguments in {
            "predict": ("predict", "a.nii.gz"),
            "evaluate": ("evaluate",),
            "report": ("report",),
            "audit": ("audit", *TRAIN),
        }.items()
    ),
    Case(
        "compare of a folder that is not there",
        ("compare", "{w}/nowhere"),
        3,
        "nowhere: no such folder",
        lines=2,
    ),
    Case(
        "predict of a baseline",
        ("predict", "--workdir={w}/baseline", "a.nii.gz"),
        3,
        "is a baseline, which is fitted anew",
    ),
    Case(
        "a baseline on another cohort",
        ("evaluate", "--workdir={w}/baseline", "--table={w}/scans.csv", "--out={tmp}/o"),
        3,
        "is a baseline",
    ),
    Case("train in a file", (*TRAIN, "--workdir={w}/scans.csv"), 2, "no folder can be made there (File exists)"),
    Case(
        "train beneath a file",
        (*TRAIN, "--workdir={w}/scans.csv/w"),
        2,
        "no folder can be made there (Not a directory)",
    ),
    Case(
        "train in a folder of other files",
        (*TRAIN, "--workdir={w}/scans"),
        2,
        "holds files but no config.json, so it is no workdir",
    ),
    Case("train in another config's", (*TRAIN, "--workdir={run}"), 2, "belongs to another config", lines=3),
    # --out
    Case(
        "predict to JSON",
        ("predict", "--workdir={run}", "a.nii.gz", "--out={tmp}/p.json"),
        2,
        ".json is not what is written; name a .csv file",
    ),
    Case(
        "predict to a folder",
        ("predict", "--workdir={run}", "a.nii.gz", "--out={tmp}"),
        2,
        "cannot be written: a folder",
    ),
    Case("check to CSV", (*CHECK, "--out={tmp}/c.csv"), 2, ".csv is not what is written; name a .json file"),
    Case("check beneath a file", (*CHECK, "--out={w}/scans.csv/c.json"), 2, "cannot be written"),
    Case("check to a pipe that nobody reads", (*CHECK, "--out={w}/pipe"), 2, "no process reads this pipe"),
    Case("check to a name that is too long", (*CHECK, "--out={tmp}/" + "x" * 300 + ".json"), 2, "File name too long"),
    Case("check through a link", (*CHECK, "--out={tmp}/link.json"), 0, "", lines=0),
    Case(
        "compare to a Word file",
        ("compare", "{run}", "--out={tmp}/c.docx"),
        2,
        ".docx is not what is written; name a .csv or .tex or .html file",
    ),
    Case(
        "evaluate into a pipe",
        ("evaluate", "--workdir={run}", "--table={w}/scans.csv", "--out={w}/pipe"),
        2,
        "is not the folder of an external evaluation",
    ),
    Case(
        "evaluate beneath a file",
        ("evaluate", "--workdir={run}", "--table={w}/scans.csv", "--out={w}/scans.csv/o"),
        2,
        "no folder can be made or written there",
    ),
    Case("prepare into a pipe", ("prepare", *TRAIN, "--out={w}/pipe"), 2, "cannot be written; name a folder that can"),
    Case(
        "prepare into a link to nowhere",
        ("prepare", *TRAIN, "--out={tmp}/dangling"),
        2,
        "cannot be written; name a folder that can",
    ),
    # scans and tables
    Case(
        "predict of a folder without scans", ("predict", "--workdir={run}", "{w}/baseline"), 3, "{w}/baseline: no .nii"
    ),
    Case("predict of nothing there", ("predict", "--workdir={run}", "{w}/gone.nii.gz"), 3, "no such file"),
    Case(
        "predict of a name that is not UTF-8",
        ("predict", "--workdir={run}", "--allow-unlike", f"{{w}}/{LEGACY}/00.nii.gz", "--out={tmp}/p.csv"),
        0,
        "",
        lines=0,
    ),
    Case("predict of a scan that is a pipe", ("predict", "--workdir={run}", "{w}/pipe"), 3, "{w}/pipe: "),
    Case(
        "a table of a user who is not there",
        ("check", *TINY, "--config.cohort.table=~nobodyhere/scans.csv"),
        3,
        "~nobodyhere/scans.csv",
    ),
    Case(
        "a row of a file that Office left",
        ("check", *TINY, "--config.cohort.table={w}/office.csv"),
        3,
        "1 of 12 scans are refused",
    ),
    Case("a table that is not there", ("check", *TINY, "--config.cohort.table={w}/gone.csv"), 3, "gone.csv: "),
    Case("a table that is a scan", ("check", *TINY, "--config.cohort.table={w}/scans/00.nii.gz"), 3, "00.nii.gz: "),
    Case("a table that is a pipe", ("check", *TINY, "--config.cohort.table={w}/pipe"), 3, "{w}/pipe: "),
    # numbers
    Case(
        "a seed of 2**32",
        (*TRAIN, "--config.seed=4294967296"),
        2,
        "seed=4294967296: must be a whole number, 0 to 4294967295",
        lines=2,
    ),
    Case(
        "an infinite spacing",
        (*TRAIN, "--config.volume.spacing=inf"),
        2,
        "volume.spacing=inf: must be a number, 0.05 to 50.0",
        lines=2,
    ),
    Case(
        "a grid of terabytes",
        (*TRAIN, "--config.volume.grid=20000,20000,20000"),
        2,
        "at most 134217728 voxels together",
        lines=2,
    ),
    Case(
        "a rate that is no number",
        (*TRAIN, "--config.train.learning_rate=nan"),
        2,
        "train.learning_rate=nan: must be a number",
        lines=2,
    ),
    Case(
        "words for a number",
        (*TRAIN, "--config.train.epochs=many"),
        2,
        "--config.train.epochs=many: must be a whole number",
    ),
    Case(
        "more folds than subjects",
        (*TRAIN, "--config.train.folds=9999", "--workdir={tmp}/w"),
        2,
        "train.folds=9999 needs 9999 subjects of each label",
    ),
    Case("a rate that explodes", (*TRAIN, "--config.train.learning_rate=1000", "--workdir={tmp}/w"), 1, "loss"),
    # configs
    Case("no config", ("train",), 2, "--config=NAME is needed"),
    Case("a config that is not there", ("--config=configs/gone.py",), 2, "configs/gone.py: no such file"),
    Case("a config of no Python", ("check", "--config={w}/scans.csv"), 2, "scans.csv: "),
    Case("a variant that is none", ("check", "--config=configs/dyn_vgg11.py:fast"), 2, "no variant is called 'fast'"),
    # a run that is damaged
    *(
        Case(f"{verb[0]} of a damaged {file}", verb, 3, said)
        for file, verb, said in (
            ("config.json", ("report", "--workdir={tmp}/config.json"), "config.json: damaged: not JSON"),
            ("nested.json", ("report", "--workdir={tmp}/nested.json"), "config.json: damaged: not JSON"),
            (
                "results.json",
                ("report", "--workdir={tmp}/results.json"),
                "results.json: damaged or of an older version",
            ),
            ("folds.csv", ("evaluate", "--workdir={tmp}/folds.csv"), "folds.csv: damaged"),
            ("predictions.csv", ("report", "--workdir={tmp}/predictions.csv"), "predictions.csv: "),
            ("checkpoint", ("predict", "--workdir={tmp}/checkpoint", "{w}/scans/00.nii.gz"), "damaged"),
        )
    ),
    Case("report of events that are none", ("report", "--workdir={tmp}/events.jsonl"), 0, "", lines=0),
    Case(
        "compare of an evaluation that is damaged",
        ("compare", "{tmp}/external.json"),
        3,
        "external.json: damaged: it has no config",
        lines=2,
    ),
    Case(
        "a column that is not there",
        ("evaluate", "--workdir={w}/baseline", "--subgroups=scnaner"),
        2,
        "--subgroups=scnaner: ",
    ),
    # names that are not UTF-8, of everything
    *(
        Case(f"{arguments[0]} in a folder that is not UTF-8", arguments, 0, "", lines=0)
        for arguments in (
            ("check", *TINY, LEGACY_TABLE, f"--out={{tmp}}/{LEGACY}/c.json"),
            ("audit", *TINY, LEGACY_TABLE, f"--workdir={{w}}/{LEGACY}/w"),
            ("evaluate", f"--workdir={{w}}/{LEGACY}/w"),
            ("report", f"--workdir={{w}}/{LEGACY}/w"),
            ("compare", f"{{w}}/{LEGACY}/w", f"--out={{tmp}}/{LEGACY}/c.html"),
        )
    ),
    Case(
        "predict by a run in a folder that is not UTF-8",
        ("predict", f"--workdir={{tmp}}/{LEGACY}/run", "{w}/scans/00.nii.gz"),
        3,
        "cannot be read, for its name is not UTF-8; rename the folder",
    ),
    Case("train in a folder that is not UTF-8", (*TRAIN, f"--workdir={{tmp}}/{LEGACY}/w"), 2, "is not UTF-8"),
    Case("a cache that is not UTF-8", CHECK, 0, "", {"environment": {"DYNJAX_CACHE": f"{{tmp}}/{LEGACY}/cache"}}, 0),
    # terminals, homes, caches and devices
    Case(
        "a terminal of ASCII",
        (*CHECK, "--out={tmp}/c.json"),
        0,
        "",
        {"anew": True, "environment": {"PYTHONIOENCODING": "ascii"}},
        0,
    ),
    Case(
        "a terminal of Latin-1",
        ("predict", "--workdir={run}", "--allow-unlike", f"{{w}}/{LEGACY}/00.nii.gz", "--out={tmp}/p.csv"),
        0,
        "",
        {"anew": True, "environment": {"PYTHONIOENCODING": "latin-1"}},
        0,
    ),
    Case("no locale", CHECK, 0, "", {"anew": True, "environment": {"LC_ALL": "C", "LANG": "C"}}, 0),
    Case(
        "an output that is full",
        CHECK,
        1,
        "standard output: No space left on device",
        {"anew": True, "stdout": "/dev/full"},
    ),
    Case("an output that nobody reads", CHECK, 141, "", {"anew": True, "stdout": "closed pipe"}, 0),
    Case("no output at all", (*CHECK, "--out={tmp}/c.json"), 0, "", {"anew": True, "stdout": "closed"}, 0),
    Case("no home", CHECK, 0, "warning: ~/.cache/dynjax: no cache (there is no home folder)", {"homeless": True}, 0),
    Case("a cache in a file", CHECK, 0, "no cache (", {"environment": {"DYNJAX_CACHE": "{w}/scans.csv"}}, 0),
    Case(
        "training without a cache",
        (*TRAIN, "--config.train.epochs=1", "--config.train.folds=2", "--workdir={tmp}/w"),
        0,
        "no cache (",
        {"environment": {"DYNJAX_CACHE": "{w}/scans.csv/x"}},
        0,
    ),
    *(
        Case(
            f"{verb} on a GPU that is not there",
            arguments,
            2,
            "JAX_PLATFORMS=cuda: JAX cannot compute here",
            {"anew": True, "environment": {"JAX_PLATFORMS": "cuda"}},
        )
        for verb, arguments in {
            "train": (*TRAIN, "--workdir={tmp}/w"),
            "predict": ("predict", "--workdir={run}", "{w}/scans/00.nii.gz"),
            "evaluate": ("evaluate", "--workdir={run}"),
        }.items()
    ),
    Case(
        "a device of another world",
        (*TRAIN, "--workdir={tmp}/w"),
        2,
        "JAX_PLATFORMS=abacus: JAX cannot compute here",
        {"anew": True, "environment": {"JAX_PLATFORMS": "abacus"}},
    ),
    Case(
        "a scheduler that is not there",
        (*CHECK, "--scheduler=tcp://127.0.0.1:1"),
        2,
        "--scheduler=tcp://127.0.0.1:1: no Dask scheduler answers there",
    ),
    # disks and memory
    *(
        Case(f"{arguments[0]} on a full disk", arguments, 1, said, {"limits": {resource.RLIMIT_FSIZE: 10}})
        for arguments, said in (
            (
                ("predict", "--workdir={run}", "--allow-unlike", "{w}/scans/00.nii.gz", "--out={tmp}/p.csv"),
                "File too large",
            ),
            (("compare", "{run}", "--out={tmp}/c.csv"), "c.csv: File too large"),
            (("report", "--workdir={tmp}/whole"), "File too large"),
            (("evaluate", "--workdir={tmp}/whole"), "File too large"),
            (("train", *TRAIN, "--workdir={tmp}/w"), "File too large"),
        )
    ),
    Case(
        "a memory that is too small",
        ("check", TINY[0], "--config.cohort.table={w}/scans.csv", "--config.volume.grid=512,512,512"),
        1,
        "not enough memory (Unable to allocate",
        {"limits": {resource.RLIMIT_AS: 2 * 2**30}},
    ),
    *(
        Case(
            f"{arguments[0]} needs no GPU",
            arguments,
            0,
            "",
            {"anew": True, "environment": {"JAX_PLATFORMS": "cuda"}},
            0,
        )
        for arguments in (CHECK, ("audit", *TRAIN), ("compare", "{run}"), ("report", "--workdir={tmp}/whole"))
    ),
    Case(
        "a locale of ASCII alone",
        (*CHECK, "--out={tmp}/c.json"),
        0,
        "",
        {"anew": True, "environment": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}},
        0,
    ),
    Case(
        "a disk that fills within a checkpoint",
        (*TRAIN, "--workdir={tmp}/w"),
        1,
        "epoch_0002: File too large; everything saved before is kept",
        {"limits": {resource.RLIMIT_FSIZE: 3 * 2**20}},
    ),
    Case(
        "a file that may not grow",
        (*CHECK, "--out={tmp}/c.json"),
        1,
        "c.json: File too large",
        {"limits": {resource.RLIMIT_FSIZE: 10}},
    ),
    Case(
        "report where nothing can be written",
        ("report", "--workdir={tmp}/readonly"),
        1,
        "everything saved before is kept",
    ),
    Case(
        "evaluate where nothing can be written",
        ("evaluate", "--workdir={tmp}/readonly"),
        1,
        "everything saved before is kept",
    ),
    Case(
        "train where nothing can be written",
        (*TINY, *PHANTOMS, "--workdir={tmp}/readonly"),
        2,
        "no permission to write there",
    ),
    Case(
        "predict where nothing can be written",
        ("predict", "--workdir={tmp}/readonly", "--allow-unlike", "{w}/scans/00.nii.gz"),
        0,
        "",
        lines=0,
    ),
    Case("compare where nothing can be written", ("compare", "{tmp}/readonly"), 0, "", lines=0),
    Case("audit where nothing can be written", ("audit", *TINY, *PHANTOMS, "--workdir={tmp}/readonly"), 0, "", lines=0),
    Case(
        "check to where nothing can be written",
        (*CHECK, "--out={tmp}/readonly/c.json"),
        2,
        "no permission to write into",
    ),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Twelve phantoms in scans/ and in a folder whose name is not UTF-8, their tables, a baseline's run and a pipe."""
    return made_once(tmp_path_factory, "hostile", _make_world)


def _make_world(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for name in ("scans", LEGACY):
        (folder / name).mkdir()
    scans = load_cohort(phantom_cohort(12)).scans
    rows = [["subject", "session", "label", "path"]]
    for number, scan in enumerate(scans):
        path = folder / "scans" / f"{number:02d}.nii.gz"
        path.symlink_to(scan.path)
        rows.append([scan.subject, scan.session, scan.label, str(path)])
    (folder / LEGACY / "00.nii.gz").symlink_to(scans[0].path)
    for name, last in (("scans", rows[-1][3]), ("office", "~$11.nii.gz")):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows([*rows[:-1], [*rows[-1][:3], last]])
    options = [option for option in TINY if option.startswith(("--config.volume", "--config.train.folds"))]
    shutil.copyfile(folder / "scans.csv", folder / LEGACY / "scans.csv")
    for table, where in (("scans.csv", "baseline"), (f"{LEGACY}/scans.csv", f"{LEGACY}/w")):
        arguments = (f"--config.cohort.table={folder / table}", f"--workdir={folder / where}")
        done = main("--config=configs/baseline_brain_volume.py", *options, *arguments)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def places(world, run, tmp_path):
    """What stands for {w}, {run} and {tmp} in a case."""
    (tmp_path / "target.json").write_text("old")
    (tmp_path / "link.json").symlink_to("target.json")
    (tmp_path / "dangling").symlink_to("nowhere/at/all")
    return {"w": world, "run": run[0], "tmp": tmp_path}


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "config.json": lambda run: (run / "config.json").write_text("{"),
    "nested.json": lambda run: (run / "config.json").write_text("[" * 10**5),
    "results.json": lambda run: (run / "results.json").write_text('{"schema": 1}'),
    "folds.csv": lambda run: (run / "folds.csv").write_text("subject,fold\n1\n"),
    "events.jsonl": lambda run: (run / "events.jsonl").write_bytes(b'5\n{}\n[]\n{"fold": "x"}\n\xff\n' + b"[" * 10**5),
    "external.json": lambda run: (run / "external.json").write_text('{"run": 3}'),
    "whole": lambda run: None,
    f"{LEGACY}/run": lambda run: None,
    "predictions.csv": lambda run: (run / "predictions.csv").write_bytes(b"\xff\xfe"),
    "checkpoint": lambda run: next((run / "checkpoints" / "fold_0").glob("*.json")).write_text("{}"),
}


@pytest.fixture
def read_only(request, places):
    """Makes {tmp}/readonly, a run on a disk that cannot be written: by its mode or, for root, by a mount."""
    folder = places["tmp"] / "readonly"
    if os.geteuid():
        shutil.copytree(places["run"], folder)
        os.chmod(folder, 0o555)
        yield
        os.chmod(folder, 0o755)
        return
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("root may write anywhere, and cannot mount here")
    try:
        shutil.copytree(places["run"], folder, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _run(case: Case, places: dict[str, Path]):
    """Runs a case's command; returns it completed."""
    filled = [argument.format(**places) for argument in case.arguments]
    how = dict(case.how)
    environment = {name: value.format(**places) for name, value in how.pop("environment", {}).items()}
    if how.pop("homeless", False):
        return _without_home(filled, places["tmp"])
    if not how.pop("anew", False):
        return main(*filled, environment=environment, **how)
    with _output(how.pop("stdout", "")) as output:
        return anew(*filled, environment=environment, **output)


def _without_home(arguments: list[str], folder: Path):
    """Runs main.py where neither HOME nor the list of users has a home."""
    (folder / "homeless.py").write_text(
        "import os, pwd, runpy, sys\n"
        "def nobody(_): raise KeyError\n"
        "pwd.getpwuid = nobody\n"
        f"sys.argv[0] = 'main.py'\nrunpy.run_path({str(ROOT / 'main.py')!r}, run_name='__main__')\n"
    )
    gone = ("HOME", "DYNJAX_CACHE", "XDG_CACHE_HOME")
    env = {name: value for name, value in os.environ.items() if name not in gone} | {"GLIBC_TUNABLES": ""}
    command = [sys.executable, folder / "homeless.py", *arguments]
    env["PYTHONPATH"] = str(ROOT)
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def _output(kind: str) -> Iterator[dict[str, Any]]:
    """Gives the arguments of Popen for a standard output that is full, closed, or a pipe that nobody reads."""
    if kind == "closed":
        yield {"silent": True}
    elif kind == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as output:
            yield {"stdout": output}
    elif kind:
        with open(kind, "w") as output:
            yield {"stdout": output}
    else:
        yield {}


def _named(case: Case):
    is_slow = case.name in SLOW or (case.how.get("anew") and case.name not in QUICK)
    return pytest.param(case, id=case.name, marks=[pytest.mark.slow] if is_slow else [])


@pytest.mark.parametrize("case", [_named(case) for case in CASES])
def test_what_is_done_to_it_ends_in_words(case, places, request):
    if any("readonly" in argument for argument in case.arguments):
        request.getfixturevalue("read_only")
    for name, damage in DAMAGE.items():
        if {f"--workdir={{tmp}}/{name}", f"{{tmp}}/{name}"} & set(case.arguments):
            damage(shutil.copytree(places["run"], places["tmp"] / name))
    done = _run(case, places)
    said = case.said.format(**places)
    messages = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert done.returncode == case.code and said in done.stderr, done.stderr
    assert len(messages) == case.lines and "Traceback" not in done.stderr, done.stderr
    assert (places["w"] / "pipe").is_fifo() and (places["tmp"] / "link.json").is_symlink()
    out = next((argument.removeprefix("--out=") for argument in case.arguments if argument.startswith("--out=")), "")
    if case.code == 0 and out:
        written = Path(out.format(**places)).read_text(encoding="utf-8")
        assert not written.startswith("old") and (written.count("00.nii.gz") == 1 or case.arguments[0] == "compare")


@pytest.mark.slow
def test_a_disk_that_filled_keeps_what_was_saved_and_goes_on(run, places):
    """Orbax divides a checkpoint into files as its threads go; the largest array alone is above half of the largest."""
    arguments = [argument.format(**places) for argument in (*TINY, *PHANTOMS, "--workdir={tmp}/w")]
    most = max(path.stat().st_size for path in (run[0] / "checkpoints").rglob("*"))
    done = main(*arguments, limits={resource.RLIMIT_FSIZE: most // 2})
    assert done.returncode == 1 and "File too large; everything saved before is kept" in done.stderr
    assert not list(places["tmp"].rglob("*tmp*")) and len(done.stderr.splitlines()) == 1
    assert main(*arguments).returncode == 0
    assert (places["tmp"] / "w" / "predictions.csv").read_bytes() == (run[0] / "predictions.csv").read_bytes()


def test_the_list_is_long_enough():
    assert len(CASES) >= 50 and len({case.name for case in CASES}) == len(CASES)
