"""An output that nobody reads, such as `dynjax configs | head -1` leaves, ends every command without a word."""

import os
import shutil

import pytest

from dynjax.arguments import VERBS
from tests.command import PHANTOMS, TINY, anew, main

GONE = 141  # what a shell gives for a command that SIGPIPE ended
COMMANDS = [
    ("help",),
    ("--version",),
    ("train", "--help"),
    ("configs",),
    ("show", *TINY),
    ("check", *TINY, *PHANTOMS),
    ("audit", *TINY, *PHANTOMS),
    ("train", *TINY, *PHANTOMS, "--workdir={run}"),
    ("train", *TINY, *PHANTOMS, "--workdir={tmp}/new"),
    ("evaluate", "--workdir={run}"),
    ("predict", "--workdir={run}", "nowhere.nii"),
    ("explain", "--workdir={run}", "nowhere.nii", "--out={tmp}/maps"),
    ("report", "--workdir={run}"),
    ("compare", "{run}", "{run}"),  # which prints by rich
    ("prepare", "--workdir={run}", "nowhere.nii", "--out={tmp}/prepared"),
]


def test_no_verb_is_left_out():
    assert {command[0] for command in COMMANDS} >= set(VERBS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_it_ends_without_a_word(command, run, tmp_path):
    if command[0] == "prepare":
        pytest.importorskip("SimpleITK")
    folder = shutil.copytree(run[0], tmp_path / "run") if "{run}" in " ".join(command) else None
    done = main(*(word.format(run=folder, tmp=tmp_path) for word in command), unread=True)
    assert (done.returncode, done.stderr) == (GONE, "")


def test_an_error_that_nobody_reads_keeps_its_code():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as closed:
        done = anew("show", "--config=nowhere", stderr=closed)
    assert done.returncode == 2
