"""Tests the store of projected scans at scale: python -m benchmarks.store [--count=N] [--full] (`make store`).

Projects random .nii.gz volumes of 20 x 20 x 20 voxels, with --full 110 x 110 x 110, 10,000 by default, into an empty
cache by `project_cohort`. Reports the time beside plain reading and the memory; then repeats it after a kill -9, with
two processes at once, on a local Dask cluster with a process per core, and on a disk that fills up.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np

from dynjax.projection.store import Projection, project_cohort
from dynjax.volumes.grid import Grid
from dynjax.work.cluster import LOCAL, workers_of

ROOT = Path(__file__).parents[1]
CHILD = "child"  # first argument of the child processes
SMALL, FULL = Grid((20, 20, 20), 2.0), Grid()


def main() -> None:
    options = _options()
    grid = FULL if options.full else SMALL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder, options.count, grid)
        print(f"{options.count} random volumes of {' x '.join(map(str, grid.shape))}, {os.cpu_count()} cores\n")
        reading = _read_plainly(folder)
        _print("plain reading, nibabel", reading, options.count)
        first = _run(folder, folder / "cache", grid)
        _print("an empty store", first["seconds"], options.count, first)
        again = _run(folder, folder / "cache", grid)
        _print("a full store", again["seconds"], options.count, again)
        tenth = _run(folder, folder / "tenth", grid, options.count // 10)
        _print("a tenth of them", tenth["seconds"], options.count // 10, tenth)
        _killed(folder, grid, first)
        _together(folder, grid, first)
        clustered = _run(folder, folder / "clustered", grid, scheduler=LOCAL)
        _print("a Dask cluster of this machine", clustered["seconds"], options.count, clustered)
        _compare(clustered, first)
        _full_disk(folder, grid, first)
        same = again["sha256"] == first["sha256"]
        print(f"\nimages from the store are {'those' if same else 'NOT THOSE'} that were projected")


def child(arguments: list[str]) -> None:
    """Projects the cohort in a child process; prints seconds, peak memory in bytes and a digest of the images."""
    folder, full, count, scheduler = Path(arguments[0]), arguments[1] == "full", int(arguments[2]), arguments[3]
    paths = sorted(folder.glob("*.nii.gz"))[: count or None]
    projection = Projection(FULL if full else SMALL)
    before = _peak()
    with workers_of(scheduler):
        start = time.monotonic()
        try:
            images = project_cohort(paths, projection).images
        except OSError as error:
            sys.exit(f"{error.filename}: {error.strerror}")
        seconds = time.monotonic() - start
    about = {"seconds": seconds, "before": before, "peak": _peak(), "images": images.nbytes}
    print(json.dumps(about | {"sha256": hashlib.sha256(images).hexdigest()}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="the store of projected scans at scale")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--full", action="store_true", help="volumes of the paper's size")
    return parser.parse_args()


def _make(folder: Path, count: int, grid: Grid) -> None:
    def write(number: int) -> None:
        data = np.random.default_rng(number).integers(0, 1000, grid.shape, np.int16)
        nibabel.save(nibabel.Nifti1Image(data, grid.affine), folder / f"{number:06}.nii.gz")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(count)))


def _read_plainly(folder: Path) -> float:
    """Returns the seconds to read every file once on all cores, keeping nothing."""

    def read(path: Path) -> None:
        np.asanyarray(nibabel.load(path).dataobj, np.float32)

    start = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(read, sorted(folder.glob("*.nii.gz"))))
    return time.monotonic() - start


def _start(folder: Path, cache: Path, grid: Grid, count: int = 0, scheduler: str = "") -> subprocess.Popen:
    child = (str(folder), "full" if grid == FULL else "small", str(count), scheduler)
    command = [sys.executable, "-m", "benchmarks.store", CHILD, *child]
    env = os.environ | {"DYNJAX_CACHE": str(cache)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _run(folder: Path, cache: Path, grid: Grid, count: int = 0, scheduler: str = "") -> dict:
    return _finished(_start(folder, cache, grid, count, scheduler))


def _finished(process: subprocess.Popen) -> dict:
    out, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {errors}")
    return json.loads(out.splitlines()[-1])


def _killed(folder: Path, grid: Grid, whole: dict) -> None:
    cache = folder / "killed"
    process = _start(folder, cache, grid)
    while not _entries(cache):
        time.sleep(0.01)
    time.sleep(random.random() * 0.8 * whole["seconds"])
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = _entries(cache)
    resumed = _run(folder, cache, grid)
    _print(f"after kill -9 with {kept} stored", resumed["seconds"], len(list(folder.glob("*.nii.gz"))) - kept, resumed)
    _compare(resumed, whole)


def _together(folder: Path, grid: Grid, whole: dict) -> None:
    processes = [_start(folder, folder / "together", grid) for _ in range(2)]
    for number, process in enumerate(processes):
        done = _finished(process)
        _print(f"two at once, number {number + 1}", done["seconds"], len(list(folder.glob("*.nii.gz"))), done)
        _compare(done, whole)


def _full_disk(folder: Path, grid: Grid, whole: dict) -> None:
    with _small_disk(folder / "disk", whole["images"] // 2) as disk:
        if disk is None:
            return print("a full disk: not tried, only root can make a small one")
        process = _start(folder, disk, grid)
        _, errors = process.communicate()
        print(f"a full disk: exit code {process.returncode}, {_entries(disk)} stored: {errors.strip()}")
        damaged = [path for path in disk.rglob("*.npy") if np.load(path).dtype != np.float32]
        subprocess.run(["mount", "-o", "remount,size=4g", disk], check=True)
        resumed = _run(folder, disk, grid)
        _print("a disk with room again", resumed["seconds"], len(list(folder.glob("*.nii.gz"))), resumed)
        _compare(resumed, whole)
        print(f"of what was stored on it, {len(damaged)} are damaged")


@contextlib.contextmanager
def _small_disk(path: Path, size: int) -> Iterator[Path | None]:
    path.mkdir()
    mounted = not subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False).returncode
    try:
        yield path if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", path], check=True)


def _entries(cache: Path) -> int:
    return sum(not path.name.startswith(".") for path in cache.rglob("*.npy"))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _print(what: str, seconds: float, count: int, about: dict | None = None) -> None:
    line = f"{what:36}{seconds:8.1f} s{count / seconds:8.0f} volumes a second"
    if about is not None:
        sizes = (about["peak"], about["images"], about["peak"] - about["before"] - about["images"])
        line += ", peak {:.0f} MiB, images {:.0f}, the rest since its start {:.0f}".format(*(s / 2**20 for s in sizes))
    print(line, flush=True)


def _compare(done: dict, whole: dict) -> None:
    if done["sha256"] != whole["sha256"]:
        print("  ITS IMAGES ARE NOT THE SAME")


if __name__ == "__main__":
    child(sys.argv[2:]) if sys.argv[1:2] == [CHILD] else main()
