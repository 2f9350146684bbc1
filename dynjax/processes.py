"""Several processes, on one machine or on many, that train a run together: all compute, the first writes the workdir.

They are told of each other by JAX_COORDINATOR_ADDRESS (host:port of the first), JAX_NUM_PROCESSES and JAX_PROCESS_ID,
and see the same files. Without these a process is alone, and is the first.
"""

import contextlib
import faulthandler
import hashlib
import os
import re
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from absl import logging
from jax.experimental import multihost_utils

from dynjax.errors import DynjaxError, Stopped, UsageError
from dynjax.progress import console

ADDRESS, COUNT, NUMBER = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
BROKEN = re.compile("gloo|nccl|coordination|barrier|deadline", re.IGNORECASE)  # in what jax says of a lost connection
HEARTBEAT = 20  # seconds without a sign of life: so a lost one is noticed where the others wait for it on the host
PATIENCE = 10  # seconds for the others to end, once all have said that they do
LOST = """\
another process of this run was lost or did not come ({}).
What was saved is kept: start all of them again, and they go on from there"""


def is_first() -> bool:
    return jax.process_index() == 0


def any_of(*flags: bool) -> list[bool]:
    """Each flag, whether it is set in any process; all of them wait for each other here."""
    if jax.process_count() == 1:
        return list(flags)
    return multihost_utils.process_allgather(np.array(flags)).any(0).tolist()


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """The process is one of those that the environment tells of; all but the first are silent.

    Raises: UsageError if it tells of them wrongly; DynjaxError if one is lost or does not come.
    """
    if ADDRESS not in os.environ:
        yield
        return
    count, number = _position()
    if hasattr(jax.config, "jax_enable_preemption_service"):  # from jax 0.8.2 on
        jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is for `stop_when_asked`
    faulthandler.disable()  # where the first one is lost, jax may abort the others, and says why
    logging.set_verbosity(logging.FATAL)  # Orbax logs a stack besides what it raises
    with _loss_in_words(), contextlib.ExitStack() as silent:
        _meet(count, number)
        if number:
            console.quiet = True
            silent.enter_context(contextlib.redirect_stdout(silent.enter_context(open(os.devnull, "w"))))
        try:
            yield
        except Stopped:  # which all of them are, or none
            _part()
            raise
        _part()


def check_same(what: str) -> None:
    """Raises: DynjaxError in all processes unless `what` they are about to do is the same."""
    if jax.process_count() > 1:
        digests = multihost_utils.process_allgather(np.frombuffer(hashlib.sha256(what.encode()).digest(), np.uint8))
        if (digests != digests[0]).any():
            raise DynjaxError(
                "the processes of this run do not hold the same: other scans, weights or checkpoints; see that all of "
                "them run one version of dynjax and see the same files"
            )


@contextlib.contextmanager
def first_then_others() -> Iterator[None]:
    """The first process goes through the block, then the others do, unless it failed there."""
    failed = False
    if not is_first() and any_of(False)[0]:
        raise DynjaxError("the first process of this run could not begin, and says why")
    try:
        yield
    except BaseException:
        failed = True
        raise
    finally:
        if is_first():
            any_of(failed)


def _part() -> None:
    any_of(False)
    jax.distributed.shutdown()


def _meet(count: int, number: int) -> None:
    # Before jax 0.8.1 it is always five minutes.
    patience: dict[str, Any] = {"shutdown_timeout_seconds": PATIENCE} if jax.__version_info__ >= (0, 8, 1) else {}
    try:
        jax.distributed.initialize(
            os.environ[ADDRESS],
            count,
            number,
            cluster_detection_method="deactivate",
            heartbeat_timeout_seconds=HEARTBEAT,
            **patience,
        )
    except RuntimeError as error:  # a port in use, one that does not come
        reason = str(error).splitlines()[0]
        raise DynjaxError(f"{ADDRESS}={os.environ[ADDRESS]}: the processes cannot meet there ({reason})") from None
    any_of(False)  # they connect at the first such call, and wait for each other for no more than half a minute then


def _position() -> tuple[int, int]:
    """How many processes there are, and the number of this one. Raises: UsageError."""
    if not re.fullmatch(r".+:\d+", os.environ[ADDRESS]):
        raise UsageError(f"{ADDRESS}={os.environ[ADDRESS]}: must be host:port of the first process")
    try:
        count, number = (int(os.environ[name]) for name in (COUNT, NUMBER))
    except (KeyError, ValueError):
        raise UsageError(f"{ADDRESS} is set: {COUNT} and {NUMBER} must be, too, to numbers") from None
    if not 0 <= number < count:
        raise UsageError(f"{NUMBER}={number}: must be 0 to {count - 1}, for {COUNT} is {count}")
    return count, number


@contextlib.contextmanager
def _loss_in_words() -> Iterator[None]:
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError, TimeoutError) as error:
        # JaxRuntimeError in a program, ValueError where an array is brought to the host, TimeoutError in Orbax
        if not BROKEN.search(str(error)):
            raise
        raise DynjaxError(LOST.format(str(error).splitlines()[0])) from error
