"""Reads torch's .pth files without torch; it can only build tensors.

It reads both of torch's containers, the zip archive and the older stream, documented in torch/serialization.py.
"""

import io
import zipfile
from pathlib import Path

import numpy as np

from dynjax.errors import InputError
from dynjax.pretrained.torch_pickle import Storage, Tensor, UnsafePickle, unpickle

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def read_pth(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a state dict saved by `torch.save(model.state_dict(), path)`.

    Returns: name -> array, in the file's order; each array is read-only and has the dtype stored in the file.
    Raises: InputError, with the file's name and the reason, for a file that is damaged or holds anything but tensors.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        tensors, storages = _read_zip(content) if content[:4] == b"PK\x03\x04" else _read_legacy(content)
        return {name: _array(name, tensor, storages) for name, tensor in tensors.items()}
    except UnsafePickle as reason:
        raise InputError(f"{path}: refused: {reason}") from None


def _read_zip(content: bytes) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise UnsafePickle("not a zip archive of torch.save (it does not hold exactly one data.pkl)")
        folder = pickles[0].removesuffix("data.pkl")

        def member(name: str) -> bytes:
            info = entries.get(folder + name)
            if info is None:
                raise UnsafePickle(f"damaged: the archive lacks {name}")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(content):
                raise UnsafePickle(f"{name} is compressed or larger than the file, which torch.save never writes")
            return archive.read(info)  # checks the CRC-32

        if folder + "byteorder" in entries and member("byteorder") != b"little":
            raise UnsafePickle("it was saved on a big-endian machine")
        tensors = _state_dict(unpickle(io.BytesIO(member("data.pkl"))))
        used = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        if sum(storage.numel * storage.dtype.itemsize for storage in used.values()) > len(content):
            raise UnsafePickle("damaged: its storages claim more bytes than the file has")
        return tensors, {key: _elements(storage, member(f"data/{key}")) for key, storage in used.items()}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UnsafePickle(f"damaged or truncated zip archive ({error})") from None


def _read_legacy(content: bytes) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    stream = io.BytesIO(content)
    if content[:2] != b"\x80\x02" or unpickle(stream) != LEGACY_MAGIC:
        raise UnsafePickle("in neither of torch's two formats")
    version, system = unpickle(stream), unpickle(stream)
    if version != 1001 or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise UnsafePickle("it has an unknown protocol version or was saved on a big-endian machine")
    tensors = _state_dict(unpickle(stream))
    known = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    keys = unpickle(stream)
    is_list_of_strings = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not is_list_of_strings or sorted(keys) != sorted(known):
        raise UnsafePickle("damaged: its list of storages does not match its tensors")
    storages = {}
    for key in keys:
        count = int.from_bytes(stream.read(8), "little", signed=True)
        data = stream.read(known[key].numel * known[key].dtype.itemsize)
        if count != known[key].numel:
            raise UnsafePickle("damaged or truncated: the length of a storage does not match its tensors")
        storages[key] = _elements(known[key], data)
    if stream.read(1):
        raise UnsafePickle("damaged: bytes follow the last storage")
    return tensors, storages


def _elements(storage: Storage, data: bytes) -> np.ndarray:
    if len(data) != storage.numel * storage.dtype.itemsize:
        raise UnsafePickle(
            f"damaged or truncated: storage {storage.key} has {len(data)} bytes, which does not match its tensors"
        )
    return np.frombuffer(data, storage.dtype)


def _array(name: str, tensor: Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    """A read-only view of the tensor's storage, after its bounds are checked."""
    elements = storages[tensor.storage.key]
    count = int(np.prod(tensor.shape, dtype=object))
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides))
    if count and (count > len(elements) or last >= len(elements)):
        raise UnsafePickle(f"tensor {name} of shape {tensor.shape} reaches beyond its storage")
    if not count:
        return np.empty(tensor.shape, elements.dtype)
    strides = [stride * elements.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(elements[tensor.offset :], tensor.shape, strides, writeable=False)


def _state_dict(value) -> dict[str, Tensor]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UnsafePickle("it is not a state dict; save model.state_dict() instead")
    for name, tensor in value.items():
        if not isinstance(tensor, Tensor):
            raise UnsafePickle(f"its entry {name!r} is not a tensor; save only model.state_dict()")
    return value
