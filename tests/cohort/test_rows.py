"""Tables as text: every row is read or the table is refused, in every table of every layout."""

import csv
import io
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynjax.cohort.rows import IMPOSTORS, read_rows
from dynjax.cohort.table import load_cohort
from dynjax.errors import InputError
from tests.cohort.worlds import WORLDS, rows_of, write

every_table = pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS.keys())
PRETENDERS = {b"": "an empty table", b" \n": "an empty table", b"a\xff": "UTF-8", b"n+1\0": "not a table but"}
CELL = st.text(st.sampled_from('a1 ,;"\n'), max_size=5)


@every_table
def test_a_lone_quote_swallows_no_row(tmp_path, make):
    """Quotes mean nothing between tabs; elsewhere the table is refused with the line where the quote opens."""
    world = make(tmp_path)
    whole, rows = load_cohort(world.source), rows_of(world)
    rows[2 if len(rows) > 2 else 1][-1] = '"motion'
    write(world.table, rows, world.separator)
    if world.separator == "\t":
        assert ids(load_cohort(world.source)) == ids(whole)
        return
    with pytest.raises(InputError, match=rf"{world.table.name}, line 3: a quote opens here and is not closed"):
        load_cohort(world.source)
    rows[2][-1], rows[4][-1] = "x", '"motion'  # in the last row, where it swallows none
    write(world.table, rows, world.separator)
    with pytest.raises(InputError, match=r"line 5: a quote opens here"):
        load_cohort(world.source)
    rows[2][-1], rows[4][-1] = '"motion', '"ok"'  # which closes nothing
    write(world.table, rows, world.separator)
    with pytest.raises(InputError, match=r"line 3: a quote opens here"):
        load_cohort(world.source)
    rows[4][-1] = 'ok"'  # which would close it, around two rows
    write(world.table, rows, world.separator)
    with pytest.raises(InputError, match=r"line 3: a quote opens here"):
        load_cohort(world.source)


@every_table
def test_a_repeated_column_is_refused_whatever_it_holds(tmp_path, make):
    world = make(tmp_path)
    for column in range(len(rows_of(world)[0])):
        rows = rows_of(world)
        changed = [[*row, row[column]] for row in rows]
        write(world.table, changed, world.separator)
        with pytest.raises(InputError, match=rf"{world.table.name}: .*\n  repeated column: {rows[0][column]}$"):
            load_cohort(world.source)
        write(world.table, rows, world.separator)


@every_table
def test_what_spreadsheets_add_changes_nothing(tmp_path, make):
    """Empty columns and rows, spaces, a byte order mark, ends of lines, rows without their last cell, an index."""
    world = make(tmp_path)
    whole, (header, *rows) = load_cohort(world.source), rows_of(world)
    empty = [""] * len(header)
    changed = [[*header, "", ""], empty, *([f" {cell} " for cell in row] + ["", ""] for row in rows), empty]
    write(world.table, changed, world.separator)
    for text in (world.table.read_text(), world.table.read_text().replace("\n", "\r\n")):
        for encoding in ("utf-8", "utf-8-sig", "utf-16"):
            world.table.write_bytes(text.encode(encoding))
            assert load_cohort(world.source) == whole
    write(world.table, [header, *(row[:-1] for row in rows)], world.separator)
    assert ids(load_cohort(world.source)) == ids(whole)
    write(
        world.table, [["", *header], *([str(n), *row] for n, row in enumerate(rows))], world.separator
    )  # pandas' index
    assert load_cohort(world.source) == whole


@every_table
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_the_headers(tmp_path, make, separator):
    world = make(tmp_path)
    whole = load_cohort(world.source)
    write(world.table, rows_of(world), separator)
    assert load_cohort(world.source) == whole


@every_table
def test_what_is_no_table_is_named(tmp_path, make):
    world = make(tmp_path)
    pretenders = {beginning + b" \xff more": what for beginning, what, _ in IMPOSTORS}
    for content, what in (pretenders | PRETENDERS).items():
        world.table.write_bytes(content)
        with pytest.raises(InputError, match=rf"{world.table.name}: .*{what.split('(')[0]}"):
            load_cohort(world.source)
    world.table.unlink()
    world.table.mkdir()
    if "scans" not in world.table.name or world.separator == ",":  # a table of dates may be missing
        with pytest.raises(InputError, match=rf"{world.table.name}: .*folder"):
            load_cohort(world.table if world.separator == "," else world.source)


@every_table
def test_a_table_that_was_not_fetched_is_named_with_the_remedy(tmp_path, make):
    world = make(tmp_path)
    whole = load_cohort(world.source)
    world.table.unlink()
    world.table.symlink_to("../.git/annex/objects/qF/8V/MD5E-s1896--x.tsv/MD5E-s1896--x.tsv")
    if world.table.name.endswith("_scans.tsv"):  # it has only a date, so nothing is refused
        cohort = load_cohort(world.source)
        assert ids(cohort) == ids(whole)
        assert cohort.notes == ("1 scans.tsv left unread: its content was not fetched: it is a link of git-annex",)
        return
    with pytest.raises(InputError, match=rf"{world.table.name}: .* link of git-annex; fetch it with `datalad get`"):
        load_cohort(world.source)


def ids(cohort):
    return [(scan.subject, scan.session, scan.label, scan.path) for scan in cohort.scans]


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=6), st.sampled_from(",;"))
def test_as_many_rows_as_were_written(tmp_path_factory, rows, separator):
    """Whatever is in the cells, also ends of lines: what `csv` writes is read as it was written, but for spaces."""
    table, text = tmp_path_factory.getbasetemp() / "written.csv", io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows([["a", "b"], *rows])
    table.write_text(text.getvalue(), newline="")
    looks_like_rows = any(separator in line for row in rows for cell in row for line in cell.split("\n")[1:])
    if looks_like_rows:  # as if rows lay between two lone quotes
        with pytest.raises(InputError, match="a quote opens here"):
            read_rows(table)
        return
    _, found = read_rows(table)
    assert [tuple(row.cells.values()) for row in found] == stripped(rows)


@given(st.lists(st.lists(st.text(st.sampled_from('a1 ,;"'), max_size=5), min_size=2, max_size=2), max_size=6))
def test_between_tabs_every_line_is_a_row(tmp_path_factory, rows):
    table = tmp_path_factory.getbasetemp() / "written.tsv"
    write(table, [["a", "b"], *rows])
    _, found = read_rows(table)
    written = [row for row in stripped(rows) if not all(re.fullmatch('(" *")?', cell) for cell in row)]
    assert len(found) == len(written)
    for row, cells in zip(found, written):
        for cell, own in zip(row.cells.values(), cells):
            assert cell == own or (own.startswith('"') and own.endswith('"'))


def stripped(rows):
    cells = [tuple(cell.strip() for cell in row) for row in rows]
    return [row for row in cells if any(row)]


@pytest.mark.parametrize(
    ("cell", "read"),
    [('"a b"', "a b"), ('"a ""b"""', 'a "b"'), ('"', '"'), ('""', ""), ('"a" "b"', '"a" "b"'), ("5'", "5'")],
)
def test_quotes_around_a_whole_cell_between_tabs_are_taken_off(tmp_path, cell, read):
    """As R's write.table writes them, whose header has them as well."""
    (tmp_path / "x.tsv").write_text(f'"id"\t"note"\n1\t{cell}\n')
    header, rows = read_rows(tmp_path / "x.tsv")
    assert (header, rows[0].cells) == (["id", "note"], {"id": "1", "note": read})


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('1\t"a\tb"\tz', ["1", "a\tb", "z"]),
        ('1\t"a ""b""\tc"\tz', ["1", 'a "b"\tc', "z"]),
        ('1\t"a\tb"', ["1", '"a', 'b"']),  # as many cells as there should be: the quotes are cells' own
        ('1\t"a\tb', ["1", '"a', "b"]),
    ],
)
def test_a_tab_in_quotes_is_read_only_where_a_line_has_too_many_cells(tmp_path, line, cells):
    (tmp_path / "x.tsv").write_text(f"id\tnote\tmore\n{line}\n")
    (row,) = read_rows(tmp_path / "x.tsv")[1]
    assert (list(row.cells.values()), row.fault) == (cells, "")


def test_the_line_of_an_open_quote_is_told_after_closed_cells_of_several_lines(tmp_path):
    (tmp_path / "x.csv").write_text('a,b\n1,"two\nlines"\n"and\nanother","open\n3,4\n')
    with pytest.raises(InputError, match=r"x\.csv, line 5: a quote opens here"):
        read_rows(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text('a,b\n1,"two\nlines"\n')
    assert [row.cells["b"] for row in read_rows(tmp_path / "x.csv")[1]] == ["two\nlines"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_table_without_permission(tmp_path):
    (tmp_path / "x.csv").write_text("a\n")
    (tmp_path / "x.csv").chmod(0)
    with pytest.raises(InputError, match=r"Permission denied"):
        read_rows(tmp_path / "x.csv")
