"""Files that are whole or absent, and what becomes of those whose writer was killed."""

import fcntl
import os
import subprocess
import sys

import pytest

from dynjax.files import PARTIAL, atomic_path, write_text
from tests.command import ROOT

WRITER = """
import sys
from pathlib import Path
from dynjax.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    sys.stdin.read()
    temporary.write_text("whole")
"""


def writer(path):
    """A process that is amidst writing the file, and the path that it writes to."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    return process, process.stdout.readline().strip()


def test_who_reads_a_file_while_it_is_written_anew_reads_the_old_one_to_its_end(tmp_path):
    write_text(tmp_path / "a.json", "old")
    with open(tmp_path / "a.json") as reader:
        write_text(tmp_path / "a.json", "new")
        assert reader.read() == "old"
    assert (tmp_path / "a.json").read_text() == "new"


def partials(folder):
    return [str(path) for path in folder.glob(f"{PARTIAL}*")]


def test_leftovers_of_killed_writers_are_removed_and_those_of_living_ones_are_not(tmp_path):
    (dead, left), (living, _) = writer(tmp_path / "a.json"), writer(tmp_path / "b.json")
    dead.kill()
    dead.communicate()
    assert left in partials(tmp_path) and len(partials(tmp_path)) == 2
    write_text(tmp_path / "c.json", "{}")
    assert len(partials(tmp_path)) == 1 and left not in partials(tmp_path)
    living.communicate("")
    assert (living.returncode, (tmp_path / "b.json").read_text()) == (0, "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.json", "c.json"]


def test_what_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.csv"
    write_text(path, "before")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["a.csv"]


def test_a_file_that_is_taken_for_a_leftover_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    first = []

    def steal_once(handle, how, real=fcntl.flock):
        if not first:
            first.extend(tmp_path.glob(f"{PARTIAL}*"))
            first[0].unlink()
        real(handle, how)

    monkeypatch.setattr("dynjax.files.fcntl.flock", steal_once)
    write_text(tmp_path / "a.txt", "whole")
    assert first and (tmp_path / "a.txt").read_text() == "whole" and os.listdir(tmp_path) == ["a.txt"]
