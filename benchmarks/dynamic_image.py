"""The dynamic image of a batch against the plainest reading of the same memory, and against numpy and torch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import dynjax
from benchmarks.timing import medians, report

SHAPE = (16, 110, 110, 110)


def run() -> None:
    for dtype in (np.float32, np.int16):
        stored = _aligned(dtype)
        _compare(f"dynamic_image/{stored.dtype.name}", stored.transpose(0, 3, 2, 1), stored)
    on_device = jnp.asarray(_aligned(np.float32))
    _compare("dynamic_image/float32_z_fastest", on_device, on_device)


def _compare(name: str, volumes, memory) -> None:
    """volumes [N, X, Y, Z], and the same memory as it lies, for the others to read."""
    words = memory.view(np.int32) if memory.dtype == np.int16 else memory
    read = functools.partial(jax.jit(jnp.sum), words)
    seconds = medians({"read": read, "jax": functools.partial(dynjax.dynamic_image, volumes)}, repeats=40)
    bandwidth = {f"{who}_gigabytes_per_second": memory.nbytes / 1e9 / seconds[who] for who in ("read", "jax")}
    if isinstance(memory, np.ndarray):
        seconds |= medians(_others(memory), repeats=20)
    report(name, **seconds, **bandwidth, fraction_of_read=seconds["read"] / seconds["jax"])


def _others(stored: np.ndarray) -> dict:
    """numpy's and torch's matrix product of the weights with the slices."""
    weights = dynjax.rank_pooling_weights(SHAPE[1]).astype(np.float32)
    slices = stored.reshape(SHAPE[0], SHAPE[1], -1)
    others = {"numpy": lambda: weights @ slices.astype(np.float32, copy=False)}
    try:
        import torch
    except ImportError:
        return others
    voxels, alpha = torch.from_numpy(slices), torch.from_numpy(weights)
    return others | {"torch": lambda: torch.matmul(alpha, voxels.float())}


def _aligned(dtype) -> np.ndarray:
    """Random voxels [N, Z, Y, X], x fastest as in files, at an address that JAX takes over without a copy."""
    size = int(np.prod(SHAPE)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    offset = -memory.ctypes.data % 64
    array = memory[offset : offset + size].view(dtype).reshape(SHAPE)
    array[:] = np.random.default_rng(0).integers(0, 1000, SHAPE)
    return array
