"""Provides the examples of each step: all are on the device, or each batch is read ahead of its step."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np


class Images(Protocol):
    """An array [N, ...], or any sequence that reads each of N images when it is indexed."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


Parts = Callable[[np.ndarray], Iterator[tuple[Any, Any, Any]]]
THREADS = 8  # for reading ahead
AHEAD = 2  # batches read ahead


def epoch_order(seed: int, fold: int, epoch: int, examples: int, batch_size: int) -> np.ndarray:
    """Returns the indices of an epoch's batches, int32 [S, B].

    They are a permutation of the examples; its beginning fills up the last batch.
    """
    permutation = np.random.default_rng([seed, fold, epoch]).permutation(examples)
    return np.resize(permutation, (steps_of(examples, batch_size), batch_size)).astype(np.int32)


def steps_of(examples: int, batch_size: int) -> int:
    """Returns the number of steps, and so of batches, in an epoch."""
    return -(-examples // batch_size)


def read_ahead(images: Images, order: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the batches [B, ...] of an order [S, B]. Images that are not an array are read ahead by threads."""
    if isinstance(images, np.ndarray):
        yield from (images[batch] for batch in order)
        return
    from grain import python as grain  # where older versions have all of it

    ahead = AHEAD * order.shape[1]
    options = grain.ReadOptions(num_threads=min(THREADS, ahead), prefetch_buffer_size=ahead)
    examples = grain.MapDataset.source(order.ravel().tolist()).map(images.__getitem__)
    yield from examples.to_iter_dataset(options).batch(order.shape[1])


def make_parts(images: Images, labels: np.ndarray, place: Callable[[Any], Any], steps_at_once: int) -> Parts:
    """Returns a function that cuts an epoch's order [S, B] into parts (images, labels, order) for `run_epoch`.

    A part has at most `steps_at_once` steps. If images are read ahead, it has one step and only that step's examples.

    Args: place, moves NumPy arrays to the devices.
    """
    if not isinstance(images, np.ndarray):
        return lambda order: _read_parts(images, labels, place, order)
    placed_images, placed_labels = place([images, labels])

    def parts(order: np.ndarray) -> Iterator[tuple[Any, Any, Any]]:
        for first in range(0, len(order), steps_at_once):
            yield placed_images, placed_labels, place(order[first : first + steps_at_once])

    return parts


def _read_parts(
    images: Images, labels: np.ndarray, place: Callable[[Any], Any], order: np.ndarray
) -> Iterator[tuple[Any, Any, Any]]:
    in_turn = np.arange(order.shape[1], dtype=order.dtype)[None]  # [1, B]: the batch is in order already
    for step, batch in enumerate(read_ahead(images, order)):
        yield place([batch, labels[order[step]], in_turn])
