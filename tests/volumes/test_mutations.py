"""Good scans with random damage: refused, or read as if nothing had happened; a plain file at least does no harm."""

import gzip
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from dynjax.errors import InputError
from dynjax.volumes.grid import Grid
from dynjax.volumes.inspection import inspect_scan
from dynjax.volumes.nifti import load_volume
from tests.volumes import bounded
from tests.volumes.bad_nifti import brain, nifti, zipped

GRID = Grid((20, 20, 20), 2.0)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three times one of: bits flipped, bytes overwritten, zeroed, cut, left out, repeated or inserted."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        start, other = (int(place) for place in rng.integers(0, max(len(data), 1), 2))
        count = int(rng.choice([1, 2, 4, 8, 64, 512]))
        noise = rng.bytes(count)
        match rng.integers(9):
            case 0 | 1 if data:
                data[start] ^= 1 << int(rng.integers(8))
            case 2:
                data[start : start + count] = noise
            case 3:
                data[start : start + count] = bytes(len(data[start : start + count]))
            case 4:
                del data[start:]
            case 5:
                del data[start : start + count]
            case 6:
                data[start:start] = data[other : other + count]
            case 7:
                data[start:start] = noise
            case 8:
                data += noise
    return bytes(data)


def good_files() -> dict[str, bytes]:
    """Of several ways to write a .nii.gz: levels, float, a name in its header, many members, nothing compressed."""
    content = nifti()
    named = zlib.compress(content, 6, wbits=-15)
    ending = gzip.compress(content)[-8:]
    return {
        "i2": zipped(content),
        "f4": gzip.compress(nifti(brain("<f4"), version=2), 1),
        "named": b"\x1f\x8b\x08\x08\0\0\0\0\0\x03scan.nii\0" + named + ending,
        "blocks": b"".join(zipped(content[start : start + 2000]) for start in range(0, len(content), 2000)),
        "stored": gzip.compress(content, 0),
    }


def compressed(folder: str, count: int, seed: int) -> dict[str, int]:
    """Damages good .nii.gz files `count` times; counts what becomes of them."""
    rng, path, outcomes = np.random.default_rng(seed), Path(folder, "mutated.nii.gz"), {}
    files = list(good_files().values())
    for number in range(count):
        good = files[number % len(files)]
        path.write_bytes(good)
        expected = load_volume(path).data
        changed = mutated(good, rng)
        path.write_bytes(changed)
        outcome = _outcome(path, expected)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


def plain(folder: str, count: int, seed: int) -> dict[str, int]:
    """The same for plain .nii files, half of the damage to their headers."""
    rng, path, outcomes = np.random.default_rng(seed), Path(folder, "mutated.nii"), {}
    extension = b"\x20\0\0\0\x06\0\0\0" + bytes(24)
    files = [nifti(), nifti(brain("<f4"), extensions=extension), nifti(version=2), nifti(order=">")]
    for number in range(count):
        good = files[number % len(files)]
        path.write_bytes(good)
        expected = load_volume(path).data
        header = mutated(good[:400], rng) if number % 8 < 4 else good[:400]
        path.write_bytes(header + good[400:] if number % 8 < 4 else mutated(good, rng))
        outcome = _outcome(path, expected)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


def _outcome(path: Path, expected: np.ndarray) -> str:
    """The verdict, and whether what is loaded is the good array; the two ways to read a scan have to agree."""
    start = time.process_time()
    verdict = inspect_scan(path, GRID).verdict
    if time.process_time() - start > 2:
        return f"{verdict}, too slow"
    try:
        volume = load_volume(path, GRID if verdict != "refused" else None).data
        same = np.array_equal(load_volume(path).data, expected)
    except InputError:
        return verdict if verdict == "refused" else f"{verdict}, but refused when loaded"
    if verdict == "refused":
        inside = "field of view" in inspect_scan(path, GRID).reason
        return "refused" if inside else "refused, but loaded"
    assert np.isfinite(volume).all()
    return f"{verdict}, {'same' if same else 'other'} array"


COUNTS = [200, pytest.param(10_000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", COUNTS)
def test_damaged_nii_gz_is_refused_or_gives_the_same_array(tmp_path, count):
    outcomes = bounded.call(compressed, str(tmp_path), count, 1, timeout=1200)
    print(outcomes)
    assert set(outcomes) <= {"refused", "ok, same array", "warning, same array"}, outcomes
    assert outcomes["refused"] > 0.8 * count and outcomes["warning, same array"] > 0


@pytest.mark.parametrize("count", COUNTS)
def test_damaged_nii_does_no_harm(tmp_path, count):
    outcomes = bounded.call(plain, str(tmp_path), count, 2, timeout=1200)
    print(outcomes)
    assert set(outcomes) <= {"refused"} | {f"{v}, {a} array" for v in ("ok", "warning") for a in ("same", "other")}
    assert outcomes["refused"] > 0.2 * count and outcomes["ok, other array"] > 0
