"""Reads a network's state dict from a .safetensors, .npz or .pth file."""

import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors

from dynjax.errors import InputError
from dynjax.pretrained.pth import read_pth

# The numeric types by safetensors' names.
SAFETENSORS = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a `.safetensors` file, an `.npz` file of named arrays or, with any other suffix, a file that torch saved.

    Returns: name -> array.
    Raises: InputError, with the file's name and the reason, for a file that is refused.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            tensors = safetensors.deserialize(path.read_bytes())
            return {name: _array(tensor) for name, tensor in tensors}
        if path.suffix == ".npz":
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (safetensors.SafetensorError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: refused: damaged, or not a {path.suffix} file of plain numbers ({error})") from None
    return read_pth(path)


def _array(tensor: dict) -> np.ndarray:
    return np.frombuffer(tensor["data"], SAFETENSORS[tensor["dtype"]]).reshape(tensor["shape"])
