"""igzip and zlib read the same of every file, good or bad, and refuse it in the same words."""

import errno
import gzip
import io
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from dynjax.errors import InputError
from dynjax.volumes import content
from dynjax.volumes.content import Content
from dynjax.volumes.digests import content_digest, read_content
from dynjax.volumes.finding import RefusedVolume
from dynjax.volumes.nifti import load_volume
from tests.volumes.bad_nifti import cases, nifti, zipped
from tests.volumes.test_mutations import good_files, mutated

BOTH = pytest.mark.skipif(content.igzip is zlib, reason="no igzip for this processor")
MOST = 2**22  # bytes that are compared


def read(data: bytes) -> tuple[bytes, str, int]:
    """Returns what is read of a file, why it is refused, and what follows its gzip stream."""
    scan, parts = Content(io.BytesIO(data), len(data)), []
    try:
        while sum(map(len, parts)) < MOST and (part := scan.read(50_000)):
            parts.append(part)
    except RefusedVolume as refused:
        return b"".join(parts), str(refused), 0
    return b"".join(parts), "", scan.trailing


def read_by_zlib(data: bytes) -> tuple[bytes, str, int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content, "igzip", zlib)
        return read(data)


def assert_alike(data: bytes) -> str:
    (found, reason, trailing), (expected, words, after) = read(data), read_by_zlib(data)
    assert (reason, trailing) == (words, after)
    assert found == expected
    return reason


COMPRESSED = [case for case in cases() if case.file.lower().endswith((".gz", ".mgz")) and not case.large]


@BOTH
@pytest.mark.parametrize("case", COMPRESSED, ids=lambda case: case.file)
def test_of_every_kind_of_bad_file_both_say_the_same(tmp_path, case):
    case.write(tmp_path / case.file)
    for path in filter(Path.is_file, tmp_path.iterdir()):
        assert_alike(path.read_bytes())


@BOTH
@pytest.mark.parametrize("count", [1000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_of_damaged_files_both_say_the_same(count):
    rng, files, reasons = np.random.default_rng(3), list(good_files().values()), set()
    for number in range(count):
        reasons.add(assert_alike(mutated(files[number % len(files)], rng)).split("(")[0])
    assert "" in reasons and len(reasons) >= 4


@BOTH
def test_whichever_bit_of_a_member_is_flipped_both_say_the_same():
    header = b"\x1f\x8b\x08\x0e\0\0\0\0\0\x03" + b"\x03\0abc" + b"scan.nii\0"  # an extra field, a name, a CRC
    values = np.random.default_rng(0).integers(0, 40, 300).astype("u1").tobytes()
    named = header + (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") + zipped(values)[10:]
    for good in (named, zipped(values[:99]) + named):
        assert read(good)[1:] == ("", 0)
        for bit in range(8 * len(good)):
            assert_alike(changed_bit(good, bit))


def changed_bit(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@BOTH
def test_igzip_reads_more_only_where_the_checksum_holds():
    """A code that nothing uses may be wrong for zlib alone; the content is then that of the undamaged file."""
    good = gzip.compress(b"".join(bytes([value]) * value for value in range(60)), 9, mtime=0)
    differ = []
    for bit in range(8 * len(good)):
        data = changed_bit(good, bit)
        if read(data) != read_by_zlib(data):
            differ.append(read(data))
            assert "invalid distances set" in read_by_zlib(data)[1]
    assert differ and set(differ) == {read(good)}


def test_without_igzip_all_is_read_by_zlib(tmp_path):
    (tmp_path / "good.nii.gz").write_bytes(zipped(nifti()))
    code = """
import sys, zlib
sys.modules["isal"] = None
from dynjax.errors import InputError
from dynjax.volumes import content
from dynjax.volumes.nifti import load_volume
assert content.igzip is zlib
print(load_volume(sys.argv[1]).data.tobytes("F").hex())
"""
    command = [sys.executable, "-c", code, str(tmp_path / "good.nii.gz")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert bytes.fromhex(done.stdout) == load_volume(tmp_path / "good.nii.gz").data.tobytes("F")


def test_a_file_in_memory_is_read_and_refused_as_that_on_the_disk(tmp_path):
    for case in (case for case in COMPRESSED if case.file.lower().endswith((".nii.gz", ".mgz"))):
        case.write(path := tmp_path / case.file)
        if not path.is_file():
            continue
        digest, kept = read_content(path)
        assert digest == content_digest(path) and kept == path.read_bytes()
        assert outcome(path, kept) == outcome(path, None), case.file


def outcome(path: Path, kept: bytes | None) -> str:
    try:
        return load_volume(path, kept=kept).data.tobytes("F").hex()
    except Exception as error:
        return repr(error)


@pytest.mark.parametrize("taken", [read_content, content_digest])
@pytest.mark.parametrize("what", ["pipe", "folder", "nothing", "locked"])
def test_what_is_no_file_is_refused_as_by_its_reader(tmp_path, what, taken, monkeypatch):
    path = tmp_path / "scan.nii.gz"
    make = {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "nothing": lambda: None, "locked": path.touch}
    make[what]()
    if what == "locked":  # for root as well

        def refuse(*_):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError) as expected:
        load_volume(path)
    with pytest.raises(InputError) as found:
        taken(path)
    assert str(found.value) == str(expected.value)


def test_pairs_and_large_files_are_not_kept(tmp_path, monkeypatch):
    (tmp_path / "a.hdr").write_bytes(b"header")
    (tmp_path / "a.img").write_bytes(b"voxels")
    assert read_content(tmp_path / "a.img") == (content_digest(tmp_path / "a.hdr"), None)
    monkeypatch.setattr("dynjax.volumes.digests.LARGEST_KEPT", 5)
    (tmp_path / "a.nii").write_bytes(b"scans")
    assert read_content(tmp_path / "a.nii").bytes == b"scans"
    (tmp_path / "a.nii").write_bytes(b"larger")
    assert read_content(tmp_path / "a.nii") == (content_digest(tmp_path / "a.nii"), None)
