"""The examples of an epoch's steps: all of them on the device, or each step's read ahead of it."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np


class Images(Protocol):
    """An array [N, ...], or what gives each of N images when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


Parts = Callable[[np.ndarray], Iterator[tuple[Any, Any, Any]]]
THREADS = 8  # that read ahead
AHEAD = 2  # batches


def epoch_order(seed: int, fold: int, epoch: int, examples: int, batch_size: int) -> np.ndarray:
    """Indices int32 [S, B] of an epoch's batches: a permutation, its last batch filled from the permutation's start."""
    permutation = np.random.default_rng([seed, fold, epoch]).permutation(examples)
    return np.resize(permutation, (steps_of(examples, batch_size), batch_size)).astype(np.int32)


def steps_of(examples: int, batch_size: int) -> int:
    """How many batches make an epoch."""
    return -(-examples // batch_size)


def read_ahead(images: Images, order: np.ndarray) -> Iterator[np.ndarray]:
    """The batches [B, ...] of an order [S, B]. What is no array in memory is read by threads, a few batches ahead."""
    if isinstance(images, np.ndarray):
        yield from (images[batch] for batch in order)
        return
    from grain import python as grain  # where older versions have all of it

    ahead = AHEAD * order.shape[1]
    options = grain.ReadOptions(num_threads=min(THREADS, ahead), prefetch_buffer_size=ahead)
    examples = grain.MapDataset.source(order.ravel().tolist()).map(images.__getitem__)
    yield from examples.to_iter_dataset(options).batch(order.shape[1])


def make_parts(images: Images, labels: np.ndarray, place: Callable[[Any], Any], steps_at_once: int) -> Parts:
    """Returns what cuts an epoch's order [S, B] into parts, (images, labels, order), each for one call of `run_epoch`.

    A part has at most `steps_at_once` steps; where images are read ahead it has one, and holds no other examples.
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
    in_turn = np.arange(order.shape[1], dtype=order.dtype)[None]  # [1, B]: all of a part's examples, as they lie
    for step, batch in enumerate(read_ahead(images, order)):
        yield place([batch, labels[order[step]], in_turn])
