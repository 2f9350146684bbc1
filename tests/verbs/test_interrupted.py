"""Killed, stopped and misused: nothing computed is lost, nothing half-written is trusted."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from dynjax.run.runtime import stop_when_asked
from dynjax.training.checkpoint import latest
from tests.command import PHANTOMS, TINY, interrupt, main

RUN = (*TINY, *PHANTOMS)


def lines(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


def losses(path):
    return [(event["epoch"], event["loss"]) for event in map(json.loads, path.read_text().splitlines())]


@pytest.mark.slow
def test_killed_in_training(expected, tmp_path):
    """Within the second fold; the resumed run is the uninterrupted one's, byte for byte."""
    events = tmp_path / "events.jsonl"
    code = interrupt(signal.SIGKILL, lambda: lines(events) >= 6, *RUN, f"--workdir={tmp_path}")
    assert code == -signal.SIGKILL and not (tmp_path / "results.json").exists()
    assert main(*RUN, f"--workdir={tmp_path}").returncode == 0
    assert (tmp_path / "predictions.csv").read_bytes() == expected
    assert lines(events) == 12


@pytest.mark.slow
def test_killed_after_a_checkpoint_it_goes_on_from_there(tmp_path):
    """In a fold that is long enough not to be over by then; its losses are the uninterrupted ones, digit for digit."""
    one_fold = (*RUN, "--config.train.only_folds=0", "--config.train.epochs=60")

    def is_saved():
        return latest(tmp_path / "killed" / "checkpoints" / "fold_0") is not None

    assert interrupt(signal.SIGKILL, is_saved, *one_fold, f"--workdir={tmp_path / 'killed'}") == -signal.SIGKILL
    done = main(*one_fold, f"--workdir={tmp_path / 'killed'}")
    assert done.returncode == 0 and "going on after epoch" in done.stdout
    assert main(*one_fold, f"--workdir={tmp_path / 'whole'}").returncode == 0
    killed, whole = (losses(tmp_path / name / "events.jsonl") for name in ("killed", "whole"))
    assert killed == whole and len(whole) == 60


@pytest.mark.slow
def test_killed_while_phantoms_are_made_and_while_they_are_projected(expected, tmp_path):
    """In a cache of its own; the compiled programs are lent to it, for they are not what is tested."""
    cache, workdir = tmp_path / "cache", tmp_path / "w"
    shutil.copytree(Path(os.environ["DYNJAX_CACHE"]) / "xla", cache / "xla")
    arguments = (*RUN, f"--workdir={workdir}")

    def made(pattern):
        return len(list(cache.rglob(pattern)))

    assert interrupt(signal.SIGKILL, lambda: made("*_I1*.nii.gz") >= 4, *arguments, cache=cache) == -signal.SIGKILL
    assert 4 <= made("*_I1*.nii.gz") < 14 and not made("collection.csv")
    assert interrupt(signal.SIGKILL, lambda: made("*.npy") >= 2, *arguments, cache=cache) == -signal.SIGKILL
    assert made("collection.csv") == 1 and not (workdir / "events.jsonl").exists()
    assert main(*arguments, cache=cache).returncode == 0
    assert (workdir / "predictions.csv").read_bytes() == expected


@pytest.mark.slow
def test_asked_to_stop_it_saves_and_says_how_to_go_on(expected, tmp_path):
    events = tmp_path / "events.jsonl"
    assert interrupt(signal.SIGTERM, lambda: lines(events) >= 2, *RUN, f"--workdir={tmp_path}") == 75
    assert main(*RUN, f"--workdir={tmp_path}").returncode == 0
    assert (tmp_path / "predictions.csv").read_bytes() == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_second_signal_does_not_wait(number, capsys):
    before = signal.getsignal(number)
    with stop_when_asked() as stop_requested:
        assert not stop_requested()
        signal.raise_signal(number)
        assert stop_requested() and "stopping as soon as all can be saved" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


@pytest.mark.slow
def test_out_of_time_it_saves_and_goes_on_the_next_time(expected, tmp_path):
    done = main(*RUN, f"--workdir={tmp_path}", "--max-hours=1e-4")
    assert (
        done.returncode == 75 and "0.0001 hours are over" in done.stderr and "the same command continues" in done.stderr
    )
    assert latest(tmp_path / "checkpoints" / "fold_0") is not None
    done = main(*RUN, f"--workdir={tmp_path}", "--max-hours=1")
    assert done.returncode == 0 and "going on after epoch" in done.stdout
    assert (tmp_path / "predictions.csv").read_bytes() == expected


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--config=configs/dyn_vgg11.py", "--config.train.epoch=3"], 2, "did you mean --config.train.epochs?"),
        (["--config=configs/dyn_vgg11.py", "--config.projection.axes=z"], 2, "--config.projection.axis?"),
        (["--config=configs/dyn_vgg11.py", "--config.train.epochs=many"], 2, "config.train.epochs=many"),
        (["--config=configs/dyn_vgg11.py", "--config.model.name=vgg19"], 2, "choose one of alexnet, vgg11"),
        (["--config=configs/dyn_vgg11.py", "--config.train.only_folds=5"], 2, "folds are numbered 0 to 4"),
        (["--config=configs/dyn_vgg11.py:fast"], 2, "no variant is called 'fast'"),
        (["--config=configs/dyn_vgg99.py"], 2, "configs/dyn_vgg99.py: no such file"),
        (["--configs=configs/dyn_vgg11.py"], 2, "--configs: there is no such flag; did you mean --config?"),
        ([], 2, "--config=NAME is needed"),
        (["trian", "--config=configs/dyn_vgg11.py"], 2, "no verb is called trian; did you mean train?"),
        (["evaluate"], 2, "--workdir=DIR is needed"),
        (["evaluate", "--workdir=nowhere"], 3, "nowhere: no such folder"),
        (["predict"], 2, "--workdir=DIR is needed"),
        (["predict", "--workdir=nowhere", "a.nii"], 3, "nowhere: no such folder"),
        (
            ["--config=configs/dyn_vgg11.py", "--config.cohort.table=gone.csv"],
            3,
            "gone.csv: no such file; correct its path",
        ),
    ],
)
def test_misuse_is_one_line_and_a_code(arguments, code, said, tmp_path):
    workdir = [] if any("--workdir" in argument for argument in arguments) else [f"--workdir={tmp_path / 'w'}"]
    done = main(*arguments, *workdir if arguments not in (["evaluate"], ["predict"]) else [])
    assert done.returncode == code and said in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_folder_that_is_no_workdir_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    done = main(*RUN, f"--workdir={tmp_path}")
    assert done.returncode == 2 and "holds files but no config.json" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_refused_scan_ends_the_run_before_training_and_leaves_the_workdir_free(tmp_path):
    """The table can be mended and the same command given again."""
    table = "subject,session,label,path\n"
    for index, label in enumerate(["CN", "AD"] * 3):
        (tmp_path / f"bad{index}.nii.gz").write_text("no scan")
        table += f"s{index},1,{label},bad{index}.nii.gz\n"
    (tmp_path / "scans.csv").write_text(table)
    arguments = (*TINY, f"--config.cohort.table={tmp_path / 'scans.csv'}", f"--workdir={tmp_path / 'w'}")
    done = main(*arguments)
    assert done.returncode == 3 and "6 of 6 scans cannot be used" in done.stderr and "bad5.nii.gz" in done.stderr
    (tmp_path / "scans.csv").write_text(table.replace("s5,", "s6,"))
    assert "6 of 6 scans" in main(*arguments).stderr
    assert "belongs to another" not in main(*arguments, "--config.seed=1").stderr


def test_a_place_that_cannot_be_written_is_named_first(run, tmp_path):
    (tmp_path / "file").touch()
    done = main(*RUN, f"--workdir={tmp_path / 'file'}")
    assert done.returncode == 2 and "file: no folder can be made there" in done.stderr
    for out in (tmp_path, tmp_path / "file" / "out.csv"):
        done = main("predict", f"--workdir={run[0]}", "scan.nii", f"--out={out}")
        assert done.returncode == 2 and f"--out={out}: cannot be written" in done.stderr
