"""Writes .pth files byte for byte in torch's two formats, without torch."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path

import numpy as np

STORAGES = {"float32": "FloatStorage", "int64": "LongStorage", "float64": "DoubleStorage"}


def save_zip(path: Path, state: dict[str, np.ndarray], offset: int = 0) -> Path:
    content, storages = _pickle(state, legacy=False, offset=offset)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", "little")
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


def save_legacy(path: Path, state: dict[str, np.ndarray], offset: int = 0) -> Path:
    content, storages = _pickle(state, legacy=True, offset=offset)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system)]
    parts += [content, pickle.dumps(list(storages), 2)]
    parts += [len(array.ravel()).to_bytes(8, "little") + array.tobytes() for array in storages.values()]
    path.write_bytes(b"".join(parts))
    return path


def _pickle(state, *, legacy: bool, offset: int):
    """Pickles the state; each tensor begins `offset` elements into its storage, which is no longer for it."""
    storages: dict[str, np.ndarray] = {}

    class Storage:
        def __init__(self, array):
            self.array = array

    with _fake_torch() as (torch, rebuild):

        class Pickler(pickle.Pickler):
            def persistent_id(self, item):
                if not isinstance(item, Storage):
                    return None
                key = str(len(storages))
                storages[key] = item.array
                kind = getattr(torch, STORAGES[item.array.dtype.name])
                return ("storage", kind, key, "cpu", item.array.size, *([None] if legacy else []))

            def reducer_override(self, item):
                if not isinstance(item, np.ndarray):
                    return NotImplemented
                array = np.ascontiguousarray(item)
                strides = tuple(stride // array.itemsize for stride in array.strides)
                return rebuild, (Storage(array), offset, item.shape, strides, False, OrderedDict())

        buffer = io.BytesIO()
        Pickler(buffer, 2).dump(OrderedDict(state))
    return buffer.getvalue(), storages


@contextmanager
def _fake_torch():
    """Modules of torch's names for pickle to find its globals in, gone again afterwards."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    rebuild = types.FunctionType((lambda *a: None).__code__, {}, "_rebuild_tensor_v2")
    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    saved = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": torch, "torch._utils": utils})
    try:
        yield torch, rebuild
    finally:
        for name, module in saved.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
