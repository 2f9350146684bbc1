"""Lets several processes, on one or many machines, train a run together: all compute, the first writes the workdir.

JAX_COORDINATOR_ADDRESS (host:port of the first), JAX_NUM_PROCESSES and JAX_PROCESS_ID tell each process of the others.
All must see the same files. Without these variables a process is the first and only one.
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
from dynjax.work.progress import console

ADDRESS, COUNT, NUMBER = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
BROKEN = re.compile("gloo|nccl|coordination|barrier|deadline", re.IGNORECASE)  # in JAX's errors after a lost connection
HEARTBEAT = 20  # seconds without a heartbeat until a process counts as lost, where the others wait for it on the host
PATIENCE = 10  # seconds for the others to shut down, once all have announced it
LOST = """\
another process of this run was lost or did not start ({}).
Everything saved is kept; start all processes again to continue"""


def is_first() -> bool:
    """Whether this is the process that writes, or the only one."""
    return jax.process_index() == 0


def any_of(*flags: bool) -> list[bool]:
    """Returns for each flag whether any process has set it; a barrier at which all processes wait for each other."""
    if jax.process_count() == 1:
        return list(flags)
    return multihost_utils.process_allgather(np.array(flags)).any(0).tolist()


def check_backend() -> None:
    """Starts JAX's devices. Raises: UsageError if JAX finds none, such as a GPU that JAX_PLATFORMS asks for."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # an assertion of JAX's where JAX_PLATFORMS names an absent GPU
        asked = os.environ.get("JAX_PLATFORMS", "")
        reason = " ".join(str(error).split()) or "no such device"
        raise UsageError(
            f"JAX_PLATFORMS={asked}: JAX cannot compute here ({reason}); unset it, or set JAX_PLATFORMS=cpu"
        ) from None


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Connects this process with the others that the environment names; silences all but the first.

    Raises: UsageError if the environment is wrong; DynjaxError if a process is lost or does not start.
    """
    if ADDRESS not in os.environ:
        check_backend()
        yield
        return
    count, number = _position()
    if hasattr(jax.config, "jax_enable_preemption_service"):  # from jax 0.8.2 on
        jax.config.update("jax_enable_preemption_service", False)  # `stop_when_asked` handles SIGTERM
    faulthandler.disable()  # if the first is lost, JAX may abort the others, and says why
    logging.set_verbosity(logging.FATAL)  # Orbax logs the stack of an error that it also raises
    with _loss_in_words(), contextlib.ExitStack() as silent:
        _meet(count, number)
        if number:
            console.quiet = True
            silent.enter_context(contextlib.redirect_stdout(silent.enter_context(open(os.devnull, "w"))))
        try:
            yield
        except Stopped:  # in all processes or in none
            _part()
            raise
        _part()


def check_same(what: str) -> None:
    """Checks that `what` is the same in all processes. Raises: DynjaxError in all of them if it is not."""
    if jax.process_count() > 1:
        digests = multihost_utils.process_allgather(np.frombuffer(hashlib.sha256(what.encode()).digest(), np.uint8))
        if (digests != digests[0]).any():
            raise DynjaxError(
                "the processes of this run differ in their scans, weights or checkpoints; make sure that all of them "
                "run the same version of dynjax and see the same files"
            )


@contextlib.contextmanager
def first_then_others() -> Iterator[None]:
    """Runs the block in the first process, then in the others, unless it failed in the first."""
    failed = False
    if not is_first() and any_of(False)[0]:
        raise DynjaxError("the first process of this run could not start; its own message says why")
    try:
        yield
    except BaseException:
        failed = True
        raise
    finally:
        if is_first():
            any_of(failed)


def _part() -> None:
    """Waits for all processes, then disconnects."""
    any_of(False)
    jax.distributed.shutdown()


def _meet(count: int, number: int) -> None:
    """Connects the processes. Raises: DynjaxError."""
    # jax before 0.8.1 has no choice of the patience at shutdown
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
    except RuntimeError as error:  # the port is in use, or a process does not start
        reason = str(error).splitlines()[0]
        raise DynjaxError(f"{ADDRESS}={os.environ[ADDRESS]}: the processes cannot connect there ({reason})") from None
    check_backend()
    any_of(False)  # connects them now, since this first call waits only half a minute for the others


def _position() -> tuple[int, int]:
    """Returns the number of processes and this one's number, from the environment. Raises: UsageError."""
    if not re.fullmatch(r".+:\d+", os.environ[ADDRESS]):
        raise UsageError(f"{ADDRESS}={os.environ[ADDRESS]}: must be host:port of the first process")
    try:
        count, number = (int(os.environ[name]) for name in (COUNT, NUMBER))
    except (KeyError, ValueError):
        raise UsageError(f"{ADDRESS} is set, so {COUNT} and {NUMBER} must be set to numbers too") from None
    if not 0 <= number < count:
        raise UsageError(f"{NUMBER}={number}: must be 0 to {count - 1}, because {COUNT} is {count}")
    return count, number


@contextlib.contextmanager
def _loss_in_words() -> Iterator[None]:
    """Turns the errors of JAX and Orbax after a lost connection into a DynjaxError."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError, TimeoutError) as error:
        # JaxRuntimeError comes from a program, ValueError from copying an array to the host, TimeoutError from Orbax.
        if not BROKEN.search(str(error)):
            raise
        raise DynjaxError(LOST.format(str(error).splitlines()[0])) from error
