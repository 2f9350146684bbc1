"""Occlusion: how the answer changes when a block of a scan is replaced by the reference (Zeiler and Fergus 2014).

As over the supervoxels of Yang et al. 2018, a voxel has the mean over the levels of what its blocks changed. They put 0
into a segment; to a network that knows atrophy that is the most extreme atrophy, so the reference is put there.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

ALONG = 5  # blocks along the longest axis at the first level
FINER = 0.25  # share of the blocks, those that change most, that are divided into eight
TOGETHER = 16  # volumes that are answered at a time

Answer = Callable[[np.ndarray], np.ndarray]  # volumes [N, X, Y, Z] -> logits [N], by all steps of the network


def occlude(answer: Answer, volume: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Returns by how much the logit falls when a voxel's block is replaced, a voxel's share of it: float64 [X, Y, Z].

    A block's change is shared evenly by its voxels that differ from the reference. A block that differs nowhere is left
    out.
    """
    whole = float(answer(volume[None])[0])
    edge = -(-max(volume.shape) // ALONG)
    first = list(_blocks(tuple(slice(0, size) for size in volume.shape), edge))
    coarse = _changes(answer, volume, reference, first, whole)
    strongest = sorted(coarse, key=lambda block: -abs(coarse[block]))[: max(1, round(FINER * len(coarse)))]
    second = [part for block in strongest for part in _blocks(_slices(block), -(-edge // 2))]
    fine = _changes(answer, volume, reference, second, whole)
    differs = volume != reference
    levels = [_spread(changes, differs) for changes in (coarse, fine)]
    is_fine = np.zeros(volume.shape, bool)
    for block in strongest:
        is_fine[_slices(block)] = True
    return np.where(is_fine, (levels[0] + levels[1]) / 2, levels[0])


Block = tuple[tuple[int, int], ...]  # where it starts and ends along each axis


def _blocks(region: tuple[slice, ...], edge: int) -> Iterator[Block]:
    starts = [range(part.start, part.stop, edge) for part in region]
    for corner in itertools.product(*starts):
        yield tuple((start, min(start + edge, part.stop)) for start, part in zip(corner, region))


def _slices(block: Block) -> tuple[slice, ...]:
    return tuple(slice(*ends) for ends in block)


def _changes(
    answer: Answer, volume: np.ndarray, reference: np.ndarray, blocks: list[Block], whole: float
) -> dict[Block, float]:
    """Returns by how much the logit falls when each block is replaced, for those that differ from the reference."""
    used = [block for block in blocks if (volume[_slices(block)] != reference[_slices(block)]).any()]
    changes: dict[Block, float] = {}
    for start in range(0, len(used), TOGETHER):
        some = used[start : start + TOGETHER]
        occluded = np.repeat(volume[None], len(some), 0)
        for each, block in zip(occluded, some):
            each[_slices(block)] = reference[_slices(block)]
        changes |= zip(some, (whole - answer(occluded)).tolist())
    return changes


def _spread(changes: dict[Block, float], differs: np.ndarray) -> np.ndarray:
    found = np.zeros(differs.shape)
    for block, change in changes.items():
        inside = differs[_slices(block)]
        found[_slices(block)] = inside * (change / inside.sum())
    return found
