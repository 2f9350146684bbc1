"""Vectors of another program: each scan gets its own, from either kind of file, and what is wrong is named."""

import csv
import pickle

import numpy as np
import pytest

from dynjax.baselines.embedding import read_embedding
from dynjax.cohort.scan import Cohort, Scan
from dynjax.errors import InputError

VECTORS = np.random.default_rng(0).normal(0, 1, (6, 4))
IDS = [("s0", "1"), ("s0", "2"), ("s1", "1"), ("s2", "1"), ("s3", "1"), ("x", "1")]  # the last is not in the cohort
NAMES = ["v0", "v1", "v2", "v3"]


def cohort_of(ids):
    scans = [Scan(who, when, ["CN", "AD"][int(who[1:]) % 2], "nowhere") for who, when in ids]
    return Cohort(tuple(scans), ("CN", "AD"), "scans.csv", False, {})


COHORT, FIRST = cohort_of(IDS[:5]), cohort_of([IDS[0], *IDS[2:5]])


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def table(path, vectors=VECTORS, ids=IDS, names=NAMES):
    rows = [[*who, *vector] for who, vector in zip(ids, np.asarray(vectors).tolist())]
    return write_csv(path, ["subject", "session"][: len(ids[0])] + list(names), rows)


def arrays(path, **changes):
    subjects, sessions = zip(*IDS)
    np.savez(path, **{"subject": subjects, "session": sessions, "vectors": VECTORS} | changes)
    return path


def test_each_scan_gets_its_own_vector_from_either_file(tmp_path):
    turned = [3, 5, 1, 0, 4, 2]
    for path in (
        table(tmp_path / "a.csv", VECTORS[turned], [IDS[place] for place in turned]),
        arrays(tmp_path / "a.npz", notes=np.array(["of no use"])),
        arrays(tmp_path / "bytes.npz", subject=np.array([who.encode() for who, _ in IDS])).rename(tmp_path / "b.NPZ"),
    ):
        read = read_embedding(path, COHORT)
        assert (read.vectors == VECTORS[:5]).all() and read.vectors.dtype == np.float64 and read.others == 1


def test_sessions_can_be_left_out_where_each_subject_has_one_scan(tmp_path):
    ids = [(who,) for who in ("s3", "s2", "s1", "s0")]
    path = table(tmp_path / "a.csv", VECTORS[:4], ids)
    assert (read_embedding(path, FIRST).vectors == VECTORS[[3, 2, 1, 0]]).all()
    numbered = Cohort(*FIRST._replace(scans=tuple(scan._replace(subject=scan.subject[1:]) for scan in FIRST.scans)))
    np.savez(tmp_path / "b.npz", subject=np.arange(3, -1, -1), vectors=VECTORS[:4].astype(np.float32))
    read = read_embedding(tmp_path / "b.npz", numbered).vectors
    assert (read == VECTORS[[3, 2, 1, 0]].astype(np.float32)).all()
    with pytest.raises(InputError, match=r"names no sessions.*add a column session.*:\n  subject s0$"):
        read_embedding(path, COHORT)


def test_only_rows_of_the_cohort_must_be_right(tmp_path):
    rows = [[*who, *vector] for who, vector in zip(IDS, VECTORS.tolist())]
    path = write_csv(tmp_path / "a.csv", ["subject", "session", *NAMES], [*rows, rows[-1], ["y", "", "no", "number"]])
    assert read_embedding(path, COHORT).others == 3


def test_an_index_without_a_name_is_no_number(tmp_path):
    """Writes vectors as pandas does, unless told otherwise."""
    rows = [[n, *who, *vector] for n, (who, vector) in enumerate(zip(IDS, VECTORS.tolist()))]
    path = write_csv(tmp_path / "a.csv", ["", "subject", "session", *NAMES], rows)
    assert (read_embedding(path, COHORT).vectors == VECTORS[:5]).all()


def changed(row, column, value):
    vectors = VECTORS.astype(object)
    vectors[row, column] = value
    return vectors


ROWS = [[*who, *vector] for who, vector in zip(IDS, VECTORS.tolist())]
HEADER = ["subject", "session", *NAMES]
FLOATS = {"nan": np.nan, "inf": np.inf, "beyond": 1e200}
TABLES = {
    "scans that are not there": (
        [HEADER, *ROWS[2:]],
        "one row for each of the 5 scans of the cohort, by the ids of the scan table:\n  subject s0, session 1: not "
        "there\n  subject s0, session 2: not there\n  rows of scans that are not in the cohort: 1, such as subject x, "
        "session 1",
    ),
    "a scan twice": ([HEADER, *ROWS, ROWS[3]], "\n  subject s2, session 1: there 2 times\n"),
    "no columns": ([HEADER[:2], *(row[:2] for row in ROWS)], "no columns of numbers"),
    "no subject": ([["patient", *HEADER[1:]], *ROWS], "missing column: subject"),
    "a short row": ([HEADER, *ROWS[:2], ROWS[2][:-1], *ROWS[3:]], "s1, session 1: line 4: 5 cells, the header has 6"),
    "a long row": ([HEADER, *ROWS[:2], [*ROWS[2], 1.5], *ROWS[3:]], "s1, session 1: line 4: 7 cells, the header has 6"),
    "text": ([HEADER, *ROWS[:2], [*ROWS[2][:-1], "1,5"], *ROWS[3:]], "line 4: column v3 is '1,5', no number"),
    "an empty cell": ([HEADER, *ROWS[:2], [*ROWS[2][:-2], "", 1], *ROWS[3:]], "line 4: column v2 is '', no number"),
    "another column": ([["subject", "session", "Age", *NAMES[:3]], *ROWS], "not part of an embedding: Age"),
    "the label": (
        [[*HEADER, "true_class"], *([*row, 2.0 + (row[0][1:] in "13")] for row in ROWS)],
        "true_class: has one value for every CN and another for every AD, so it is the label",
    ),
    "nothing": ([HEADER], "subject s3, session 1: not there"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_what_is_wrong_with_a_table_is_named(name, tmp_path):
    rows, said = TABLES[name]
    path = write_csv(tmp_path / "a.csv", *rows[:1], rows[1:])
    with pytest.raises(InputError) as error:
        read_embedding(path, COHORT)
    assert str(error.value).startswith(f"{path}: ") and said in str(error.value)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_numbers_that_are_not_finite_are_named_by_scan_and_column(name, kind, tmp_path):
    vectors = changed(1, 2, FLOATS[name]).astype(float)
    vectors[3] = -np.inf
    path = table(tmp_path / "a.csv", vectors) if kind == "csv" else arrays(tmp_path / "a.npz", vectors=vectors)
    with pytest.raises(InputError, match="the vectors of 2 scans cannot be used") as error:
        read_embedding(path, COHORT)
    columns = NAMES if kind == "csv" else "0123"
    assert f"subject s0, session 2: column {columns[2]} is {FLOATS[name]}, no finite number\n" in str(error.value)
    assert f"subject s2, session 1: column {columns[0]} is -inf, no finite number, and 3 more" in str(error.value)


ARRAYS = {
    "no subjects": ({"subject": None}, "it has no array 'subject'; save it by np.savez"),
    "no vectors": ({"vectors": None}, "it has no array 'vectors'; save it by np.savez"),
    "one vector": ({"vectors": VECTORS[0]}, r"vectors: must be numbers [N, D], one row a scan; are float64 (4,)"),
    "text": ({"vectors": VECTORS.astype(str)}, "vectors: must be numbers"),
    "no numbers": ({"vectors": VECTORS[:, :0]}, "no columns of numbers"),
    "fewer rows": ({"vectors": VECTORS[:5]}, "subject: must be text, one for each of the 5 rows of vectors; is <U2"),
    "fewer sessions": ({"session": ["1"]}, "session: must be text, one for each of the 6 rows"),
    "fractions": ({"subject": np.arange(6.0)}, "subject: must be text"),
    "objects": ({"subject": np.array([who for who, _ in IDS], object)}, "damaged, or not a .npz of plain numbers and"),
    "a scan twice": ({"subject": ["s0", "s0", "s1", "s2", "s3", "s3"]}, "subject s3, session 1: there 2 times"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_wrong_with_arrays_is_named(name, tmp_path):
    changes, said = ARRAYS[name]
    subjects, sessions = zip(*IDS)
    stored = {"subject": subjects, "session": sessions, "vectors": VECTORS} | changes
    path = tmp_path / "a.npz"
    np.savez(path, **{key: value for key, value in stored.items() if value is not None})
    with pytest.raises(InputError) as error:
        read_embedding(path, COHORT)
    assert str(error.value).startswith(f"{path}: ") and said in str(error.value)


def test_damaged_and_foreign_files_are_refused_and_no_pickle_is_run(tmp_path):
    whole = arrays(tmp_path / "whole.npz").read_bytes()
    np.save(tmp_path / "alone.npy", VECTORS)
    place = whole.index(b"NUMPY") + 130  # within the first array
    contents = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :],
        "empty": b"",
        "a pickle": pickle.dumps({"vectors": 1}),
        "an array alone": (tmp_path / "alone.npy").read_bytes(),
        "another file": b"subject,session,v0\ns0,1,2\n",
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.npz").write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}\.npz: damaged, or not a \.npz of plain numbers and text"):
            read_embedding(tmp_path / f"{name}.npz", COHORT)


@pytest.mark.parametrize("name", ["gone.npz", "gone.csv"])
def test_a_file_that_is_not_there(name, tmp_path):
    with pytest.raises(InputError, match=rf"{name}: no such file"):
        read_embedding(tmp_path / name, COHORT)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"{name}: .*folder"):
        read_embedding(tmp_path / name, COHORT)
