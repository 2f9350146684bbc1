import itertools

import pytest

from benchmarks.turns import Side, compare, take_turns


def test_sides_never_run_at_the_same_time(tmp_path):
    journal = tmp_path / "journal.csv"
    sides = {
        name: Side("tests.benchmarks.sides:sleeper", {"name": name, "seconds": seconds, "journal": str(journal)})
        for name, seconds in (("fast", 0.01), ("slow", 0.03))
    }
    turns = take_turns(sides | {"absent": Side("tests.benchmarks.sides:absent", {})}, repeats=4, budget=60)
    lines = [line.split(",") for line in journal.read_text().splitlines()]
    spans = sorted((float(start), float(end)) for _, start, end in lines)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    assert [name for name, *_ in lines[4:]] == ["fast", "slow", "slow", "fast"] * 2  # after two calls each to warm up
    assert len(turns.seconds["fast"]) == 4 and turns.missing == {"absent": "not here"}
    ratio, low, high = compare(turns.seconds["slow"], turns.seconds["fast"])
    assert low <= ratio <= high and 2 < ratio < 4


def test_the_budget_cuts_the_rounds_short_but_leaves_one(tmp_path):
    arguments = {"name": "a", "seconds": 0.01, "journal": str(tmp_path / "journal.csv")}
    turns = take_turns({"a": Side("tests.benchmarks.sides:sleeper", arguments)}, repeats=5, budget=0)
    assert len(turns.seconds["a"]) == 1
    assert compare(turns.seconds["a"], [0.005])[1:] == (None, None)


def test_a_run_in_comes_before_each_turn_and_is_not_counted(tmp_path):
    journal = tmp_path / "journal.csv"
    arguments = {"name": "a", "seconds": 0.2, "journal": str(journal)}
    turns = take_turns({"a": Side("tests.benchmarks.sides:sleeper", arguments)}, repeats=3, budget=60, run_in=True)
    assert len(turns.seconds["a"]) == 3
    assert len(journal.read_text().splitlines()) == 2 + 2 * 3  # two calls to warm up


def test_a_side_that_fails_stops_the_benchmark(capfd):
    with pytest.raises(RuntimeError, match="exit code 1"):
        take_turns({"broken": Side("tests.benchmarks.sides:broken", {})}, repeats=1, budget=1)
    assert "broken on purpose" in capfd.readouterr().err


def test_the_ratio_is_that_of_the_medians():
    assert compare([2.0, 2.0, 50.0], [1.0, 1.0, 1.0])[0] == 2.0
