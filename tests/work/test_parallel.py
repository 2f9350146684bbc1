"""Work over threads: every item once, in order, and nothing begun after a failure but what had been."""

import pytest

from dynjax.errors import InputError
from dynjax.work.parallel import TOGETHER, map_scans, parallel_map


def test_more_items_than_are_queued_together_keep_their_order():
    items = list(range(2 * TOGETHER + 7))
    assert parallel_map(lambda item: -item, items, "negating") == [-item for item in items]
    assert parallel_map(lambda item: -item, [], "negating") == []


def test_an_exception_abandons_what_has_not_begun():
    begun = []

    def work(item):
        begun.append(item)
        if item == 3:
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        parallel_map(work, range(3 * TOGETHER), "working")
    assert len(begun) <= TOGETHER


def test_all_refused_scans_are_tried_and_named():
    def refuse(number):
        if number % 2:
            raise InputError(f"scan {number}")
        return number

    with pytest.raises(InputError, match=r"2 of 5 scans cannot be used:\n  scan 1\n  scan 3$"):
        map_scans(refuse, range(5), "refusing")
