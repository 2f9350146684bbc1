"""The examples of an epoch's steps: all of them on the device, or each step's read ahead of it."""

from collections.abc import Callable, Iterator, Sequence
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
    import grain

    ahead = AHEAD * order.shape[1]
    options = grain.ReadOptions(num_threads=min(THREADS, ahead), prefetch_buffer_size=ahead)
    examples = grain.MapDataset.source(order.ravel().tolist()).map(images.__getitem__)
    yield from examples.to_iter_dataset(options).batch(order.shape[1])


def make_parts(folds: Sequence, place: Callable[[Any], Any], steps_at_once: int) -> Parts:
    """Of folds side by side, what makes the parts of an epoch, (images, labels, order), of its order [F, S, B].

    Each is what the plan's `run_epoch` takes in, of at most so many steps: of one, where images are read ahead.
    """
    if not all(isinstance(fold.images, np.ndarray) for fold in folds):
        return lambda orders: _read_ahead(folds, place, orders)
    images, labels = place([_stack(arrays) for arrays in zip(*((fold.images, fold.labels) for fold in folds))])

    def parts(orders: np.ndarray) -> Iterator[tuple[Any, Any, Any]]:
        for first in range(0, orders.shape[1], steps_at_once):
            yield images, labels, place(orders[:, first : first + steps_at_once])

    return parts


def _read_ahead(folds: Sequence, place: Callable[[Any], Any], orders: np.ndarray) -> Iterator[tuple[Any, Any, Any]]:
    within = np.tile(np.arange(orders.shape[2], dtype=orders.dtype), (len(folds), 1, 1))  # each its own batch, in order
    batches = zip(*(read_ahead(fold.images, order) for fold, order in zip(folds, orders)))
    for step, images in enumerate(batches):
        labels = [fold.labels[order[step]] for fold, order in zip(folds, orders)]
        yield place([np.stack(images), np.stack(labels), within])


def _stack(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """[F, N, ...] of the folds' examples [n, ...], n at most N; what fills an array up to N is in no epoch's order."""
    if len(arrays) == 1:
        return arrays[0][None]
    longest = max(map(len, arrays))
    return np.stack([np.resize(array, (longest, *array.shape[1:])) for array in arrays])
