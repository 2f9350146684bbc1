"""Reads the vectors that another program, such as a foundation model, made of a cohort's scans."""

import collections
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dynjax.cohort.absent import why_absent
from dynjax.cohort.plain import OPTIONAL, REQUIRED
from dynjax.cohort.rows import Row, read_rows
from dynjax.cohort.scan import Cohort
from dynjax.errors import InputError, listed

EMBEDDING = "embedding"
IDS = ("subject", "session")
NO_NUMBERS = {*REQUIRED, *OPTIONAL, "index", "unnamed: 0"} - {*IDS}  # in lower case; some would give the label away
LARGEST = 1e30  # squares of larger numbers overflow sums
ADVICE = "save it by np.savez(path, subject=..., session=..., vectors=...), with subjects and sessions as text"

# What numpy and zipfile raise for files that are damaged or made to mislead.
DAMAGE = (
    ValueError, TypeError, LookupError, EOFError, ArithmeticError, RuntimeError, MemoryError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


class Embedding(NamedTuple):
    """A vector for each scan of a cohort, float64 [N, D], and how many rows of its file are of other scans."""

    vectors: np.ndarray
    others: int


class _Table(NamedTuple):
    """A file's rows: their ids, (subject, session) or (subject,), the names of their numbers, and what reads a row.

    has_session: which of these the ids are. numbers: returns the numbers of a row, float64 [D], or raises a ValueError
    that says what is wrong with it.
    """

    has_session: bool
    ids: list[tuple[str, ...]]
    columns: list[str]
    numbers: Callable[[int], np.ndarray]


def read_embedding(path: Path, cohort: Cohort) -> Embedding:
    """Reads a vector for each scan from a .npz, or from a CSV with the columns subject, session and one a number.

    The session may be left out where every subject has one scan in the cohort. Rows of other scans are only counted.
    Raises: InputError that lists the scans without a vector, with several, or with one that is not of finite numbers.
    """
    table = _read_arrays(path) if path.suffix.lower() == ".npz" else _read_table(path)
    if not table.columns:
        raise InputError(f"{path}: no columns of numbers; it needs one for each number of a scan's vector")
    rows = _rows_of(path, table, cohort)
    vectors = np.empty((len(rows), len(table.columns)))
    problems = []
    for place, row in enumerate(rows):
        try:
            vectors[place] = table.numbers(row)
            _check_finite(vectors[place], table.columns)
        except ValueError as problem:
            problems.append(f"{_name(table.ids[row])}: {problem}")
    if problems:
        raise InputError(f"{path}: the vectors of {len(problems)} scans cannot be used:\n{listed(problems)}")
    _check_no_label(path, table.columns, vectors, cohort)
    return Embedding(vectors, len(table.ids) - len(rows))


def _read_table(path: Path) -> _Table:
    header, rows = read_rows(path)
    if "subject" not in header:
        raise InputError(
            f"{path}: missing column: subject; embeddings have the columns subject[,session], then numbers"
        )
    ids = [name for name in IDS if name in header]
    columns = [name for name in header if name not in IDS]
    if foreign := [name for name in columns if name.lower() in NO_NUMBERS]:
        raise InputError(f"{path}: not part of an embedding: {', '.join(foreign)}; leave these columns out")
    ids_of = [tuple(row.cells[name] for name in ids) for row in rows]
    return _Table("session" in header, ids_of, columns, lambda row: _cells(rows[row], columns))


def _cells(row: Row, columns: list[str]) -> np.ndarray:
    """Reads a row's numbers. Raises: ValueError for too many or too few cells, and for text."""
    if row.fault or row.given < len(row.cells):
        raise ValueError(f"line {row.line}: {row.fault or f'{row.given} cells, the header has {len(row.cells)}'}")
    numbers = np.empty(len(columns))
    for place, name in enumerate(columns):
        try:
            numbers[place] = float(row.cells[name])
        except ValueError:
            raise ValueError(f"line {row.line}: column {name} is {row.cells[name]!r}, no number") from None
    return numbers


def _read_arrays(path: Path) -> _Table:
    arrays = _load(path)
    for name in ("subject", "vectors"):
        if name not in arrays:
            raise InputError(f"{path}: it has no array {name!r}; {ADVICE}")
    vectors = arrays.pop("vectors")
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise InputError(
            f"{path}: vectors: must be numbers [N, D], one row a scan; are {vectors.dtype} {vectors.shape}"
        )
    for name, array in arrays.items():
        if array.shape != (len(vectors),) or array.dtype.kind not in "USiu":
            need = f"must be text, one for each of the {len(vectors)} rows of vectors"
            raise InputError(f"{path}: {name}: {need}; is {array.dtype} {array.shape}; {ADVICE}")
    ids = [array.astype(str).tolist() for array in arrays.values()]
    columns = [str(place) for place in range(vectors.shape[1])]
    ids_of = [tuple(map(str.strip, row)) for row in zip(*ids)]
    return _Table("session" in arrays, ids_of, columns, lambda row: vectors[row])


def _load(path: Path) -> dict[str, np.ndarray]:
    """Loads the arrays subject, session and vectors, those that are there, in this order."""
    if absent := why_absent(path):
        raise InputError(f"{path}: {absent.detail}; {absent.remedy}")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in (*IDS, "vectors") if name in stored.files}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (*DAMAGE, AttributeError) as error:  # AttributeError: an array alone, under the name of several
        raise InputError(f"{path}: damaged, or not a .npz of plain numbers and text ({error}); {ADVICE}") from None


def _rows_of(path: Path, table: _Table, cohort: Cohort) -> list[int]:
    """Finds the row of each scan. Raises: InputError that lists the scans that have none or several."""
    rows = collections.defaultdict(list)
    for row, ids in enumerate(table.ids):
        rows[ids].append(row)
    wanted = [(scan.subject, scan.session) if table.has_session else (scan.subject,) for scan in cohort.scans]
    if several := [ids for ids, count in collections.Counter(wanted).items() if count > 1 and not table.has_session]:
        advice = "add a column session, or take one scan of each subject by cohort.visit=first"
        names = listed(map(_name, several))
        raise InputError(f"{path}: it names no sessions, and subjects have several scans; {advice}:\n{names}")
    problems = [f"{_name(ids)}: not there" for ids in wanted if not rows.get(ids)]
    problems += [f"{_name(ids)}: there {len(rows[ids])} times" for ids in wanted if len(rows.get(ids, ())) > 1]
    if problems:
        others = sorted(set(table.ids) - set(wanted))
        hint = (
            [f"rows of scans that are not in the cohort: {len(others)}, such as {_name(others[0])}"] if others else []
        )
        need = f"it needs one row for each of the {len(wanted)} scans of the cohort, by the ids of the scan table"
        raise InputError(f"{path}: {need}:\n{listed(problems + hint)}")
    return [rows[ids][0] for ids in wanted]


def _name(ids: tuple[str, ...]) -> str:
    return ", ".join(f"{kind} {text}" for kind, text in zip(IDS, ids))


def _check_finite(vector: np.ndarray, columns: list[str]) -> None:
    """Raises ValueError that names the first number that is NaN, infinite or beyond LARGEST."""
    wrong = np.flatnonzero(~(np.abs(vector) <= LARGEST))
    if wrong.size:
        more = f", and {wrong.size - 1} more columns are like it" if wrong.size > 1 else ""
        raise ValueError(f"column {columns[wrong[0]]} is {vector[wrong[0]]}, no finite number{more}")


def _check_no_label(path: Path, columns: list[str], vectors: np.ndarray, cohort: Cohort) -> None:
    """Raises InputError for a column with one value in all scans of a label and another in all others."""
    targets = np.array(cohort.targets)
    low, high = vectors[targets == 0], vectors[targets == 1]
    if len(low) and len(high):
        is_label = (low == low[:1]).all(0) & (high == high[:1]).all(0) & (low[0] != high[0])
        if is_label.any():
            names = ", ".join(columns[place] for place in np.flatnonzero(is_label))
            labels = f"one value for every {cohort.labels[0]} and another for every {cohort.labels[1]}"
            raise InputError(f"{path}: {names}: has {labels}, so it is the label; leave it out of the embedding")
