"""The .pth reader under files that nobody would write: no error but its own, and no memory but in proportion."""

import pickle
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynjax.errors import InputError
from dynjax.pretrained.pth import read_pth
from dynjax.pretrained.torch_pickle import UnsafePickle, unpickle
from tests.fake_pth import save_legacy, save_zip

SLACK = 2**20  # bytes that reading anything at all takes: zipfile's and pickletools' own objects
FUZZED = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
STATE = {"w": np.arange(2**17, dtype=np.float64).reshape(2**9, -1), "n": np.ones(3, np.int64)}

OPCODES = b"()}]tRqhrjXKMJQb.ceaus\x80\x85\x86\x87\x88\x89\x8a\x8c\x93\x94\x95N"
NAMES = [b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n", b"ctorch\nFloatStorage\n"]
PIECES = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from([bytes([code]) for code in OPCODES]),
    st.integers(0, 2**31 - 1).map(lambda n: b"J" + n.to_bytes(4, "little")),
    st.integers(0, 5).map(lambda n: b"h" + bytes([n])),
    st.integers(0, 5).map(lambda n: b"q" + bytes([n])),
    st.integers(0, 2**32 - 1).map(lambda n: b"X" + n.to_bytes(4, "little") + b"storage"),
    st.binary(max_size=4),
)


@pytest.fixture(scope="module", params=[save_zip, save_legacy])
def good(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("pth") / "good.pth", STATE)


def read(path, content: bytes) -> None:
    path.write_bytes(content)
    tracemalloc.start()
    try:
        read_pth(path)
    except InputError as error:
        assert str(path) in str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2 * len(content) + SLACK


@FUZZED
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8), st.integers(0, 64)), min_size=1, max_size=6))
def test_damaged_files(good, tmp_path_factory, edits):
    """Bytes replaced, inserted and cut out, most of them where the structure is: at the two ends."""
    content = good.read_bytes()
    for where, put_in, cut in edits:
        end = int(where * 4000)
        at = end if end < 2000 else len(content) - (4000 - end)
        content = content[:at] + put_in + content[at + cut :]
    read(tmp_path_factory.getbasetemp() / "fuzzed.pth", content)


@FUZZED
@given(pieces=st.lists(PIECES, max_size=40))
def test_made_up_pickles(tmp_path_factory, pieces):
    """Opcodes in any order, after the magic number of the older format."""
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    read(tmp_path_factory.getbasetemp() / "pickle.pth", head + b"\x80\x02" + b"".join(pieces) + b".")


def test_a_tuple_of_tuples_of_tuples_takes_no_time():
    """Each holds the one before twice: 120 bytes that would take 2**40 steps to compare, to hash or to print."""
    import io

    start = time.monotonic()
    with pytest.raises(UnsafePickle, match="nests tuples"):
        unpickle(io.BytesIO(b"\x80\x02)" + b"q\x00h\x00\x86" * 40 + b"."))
    assert time.monotonic() - start < 1
