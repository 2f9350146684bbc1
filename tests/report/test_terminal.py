"""Tables, sentences and names of scans: as wide as the terminal, no number cut, nothing folded in a log."""

import os
import re
import sys
from pathlib import Path

import pytest

import dynjax
from dynjax.report.terminal import fits, new_table, place, print_block, print_table, print_text

NUMBERS = [f"{number:.3f} ({number - 1:.3f} to {number + 1:.3f})" for number in range(8)]
NOTES = "SYNTHETIC, 150 epochs, ImageNet weights that somebody else has trained"


def table(name="Dyn + VGG11"):
    made = new_table(("", *(f"metric {number}" for number in range(8)), "notes"), left=("", "notes"))
    made.add_row(name, *NUMBERS, NOTES)
    made.add_row("the paper", "0.9", *[""] * 8)
    return made


@pytest.mark.parametrize("width", [40, 80, 100, 400])
def test_columns_that_do_not_fit_follow_below(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(table())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width and not any("…" in line for line in lines)
    text = "\n".join(lines)
    assert all(text.count(number) == 1 for number in NUMBERS)
    named = sum(line.split("  ")[0].strip() == "Dyn + VGG11" for line in lines)
    assert fits(table()) == (width == 400) == (named == 1)
    assert sum("the paper" in line for line in lines) == 1, "only where it has something"


def test_a_name_wider_than_the_terminal_takes_several_lines(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    name = "a name of many words that is longer than the terminal is wide"
    print_table(table(name))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 40 and "…" not in printed
    assert {*name.split(), *NOTES.split()} <= {*printed.split()} and all(printed.count(each) == 1 for each in NUMBERS)


def test_there_is_one_rule_of_width():
    """No module but `dynjax.work.screen` asks how wide the terminal is, or has a width of its own."""
    files = [path for path in Path(dynjax.__file__).parent.rglob("*.py") if path.name != "screen.py"]
    asked = re.compile(r"get_terminal_size|Console\(\)|\bWID(TH|EST) = \d+  # columns")
    found = [path.name for path in files if asked.search(path.read_text(encoding="utf-8"))]
    assert len(files) > 200 and not found


TEXT = "  excluded: 7 (a reason of many words that goes on for longer than the terminal is wide)\nshort"


def test_sentences_are_folded_only_where_a_width_is_known(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_text(TEXT)
    assert capsys.readouterr().out == TEXT + "\n"
    monkeypatch.setenv("COLUMNS", "40")
    print_text(TEXT)
    first, *rest, last = capsys.readouterr().out.splitlines()
    assert first.startswith("  excluded: 7") and last == "short" and len(rest) == 2
    assert all(line.startswith("    ") and len(line) <= 40 for line in rest)
    assert " ".join(line.strip() for line in (first, *rest)) == TEXT.splitlines()[0].strip()


def test_what_has_no_space_is_never_cut(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    path = "/a/folder-whose-name/is-longer/than-the-terminal-is-wide/scan.nii.gz"
    print_text(f"written: {path}")
    assert path in capsys.readouterr().out.split()


def test_what_is_said_of_a_scan_stands_beneath_it_or_in_a_log_behind(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    print_block("refused  a.nii", "truncated")
    monkeypatch.setenv("COLUMNS", "80")
    print_block("refused  a.nii", "truncated")
    assert capsys.readouterr().out == "refused  a.nii: truncated\nrefused  a.nii\n  truncated\n"


FOLDER = "/data/a/study/with/a/long/name/derivatives/prepared/of/2026"


def test_a_files_name_comes_first_and_only_a_terminal_shortens_its_folder(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert place(f"{FOLDER}/a.nii.gz") == f"a.nii.gz  in {FOLDER}" and place("a.nii.gz") == "a.nii.gz"
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        shown = place(f"{FOLDER}/a.nii.gz", 15)
        wide = place(f"{FOLDER[:20]}/a.nii.gz", 15)
        monkeypatch.undo()
    os.close(ours)
    assert len(shown) == 60 - 15 and shown.startswith("a.nii.gz  in /data/a/") and shown.endswith("of/2026")
    assert "…" in shown and wide == f"a.nii.gz  in {FOLDER[:20]}"


def test_a_long_name_takes_several_lines_so_that_columns_stand_side_by_side(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    table = new_table(["", "Acc", "ROC", "F1"])
    name = "a run whose name says how its network sees the scans, in six slabs of each of three planes"
    table.add_row(name, *["0.86 (0.78 to 0.91)"] * 3)
    print_table(table)
    lines = capsys.readouterr().out.splitlines()
    assert any("Acc" in line and "ROC" in line for line in lines) and max(map(len, lines)) <= 80
    assert sum(line.count("0.86 (0.78 to 0.91)") for line in lines) == 3
